{{- define "vigia.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* One name where release and chart are called alike. */}}
{{- define "vigia.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "vigia.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vigia.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vigia.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "vigia.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vigia.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vigia.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "vigia.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "vigia.metadata" -}}
name: {{ include "vigia.fullname" . }}
namespace: {{ include "vigia.namespace" . }}
labels:
  {{- include "vigia.labels" . | nindent 2 }}
{{- end }}

{{- define "vigia.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vigia.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "vigia.image" -}}
{{- with .Values.image }}
{{- $name := ternary .repository (printf "%s/%s" .registry .repository) (empty .registry) }}
{{- if .digest }}
{{- printf "%s@%s" $name .digest }}
{{- else }}
{{- printf "%s:%s" $name (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The folder of a runtime's socket on the node: what is mounted. Takes {usual, socket}. */}}
{{- define "vigia.socketFolder" -}}
{{- dir (default .usual .socket) }}
{{- end }}

{{/*
Where that folder is in the container. /run and /var/run hold more than a socket, and the container has a /run of its own.
*/}}
{{- define "vigia.socketMount" -}}
{{- $folder := include "vigia.socketFolder" . }}
{{- if has $folder (list "/run" "/var/run") }}/host{{ end }}{{ $folder }}
{{- end }}

{{/* Name → {enabled, socket, usual}, as YAML. */}}
{{- define "vigia.runtimes" -}}
{{- $usual := dict "containerd" "/run/containerd/containerd.sock" "crio" "/var/run/crio/crio.sock" "docker" "/run/docker.sock" "podman" "/run/podman/podman.sock" }}
{{- range $name, $runtime := .Values.runtimes }}
{{ $name }}: {{ merge (dict "usual" (get $usual $name)) $runtime | toJson }}
{{- end }}
{{- end }}

{{/* A socket is only written down where the agent would not find it: what is written is missed when it is not there. */}}
{{- define "vigia.config" -}}
{{- range $key := list "metrics" "runtimes" "state_dir" "run_dir" "profiles_dir" "rules" "node" }}
{{- if hasKey $.Values.config $key }}
{{- fail (printf "config.%s: the chart sets this key; use the values `metrics`, `runtimes`, `stateDir`, `profiles`, `rules`" $key) }}
{{- end }}
{{- end }}
{{- $runtimes := dict }}
{{- range $name, $runtime := include "vigia.runtimes" . | fromYaml }}
{{- $mount := include "vigia.socketMount" $runtime }}
{{- $moved := or $runtime.socket (hasPrefix "/host/" $mount) }}
{{- $entry := dict "enabled" $runtime.enabled }}
{{- if and $runtime.enabled $moved }}
{{- $_ := set $entry "socket" (printf "%s/%s" $mount (base (default $runtime.usual $runtime.socket))) }}
{{- end }}
{{- $_ := set $runtimes $name $entry }}
{{- end }}
{{- $metrics := dict "enabled" .Values.metrics.enabled }}
{{- if .Values.metrics.enabled }}
{{- $_ := set $metrics "listen" (printf "0.0.0.0:%d" (int .Values.metrics.port)) }}
{{- end }}
{{- merge (dict "metrics" $metrics "runtimes" $runtimes) .Values.config | toYaml }}
{{- end }}
