{{- define "vigia.pod" -}}
serviceAccountName: {{ include "vigia.serviceAccountName" . }}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- /* Processes are known by their numbers on the node. */}}
hostPID: true
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: agent
    image: {{ include "vigia.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      - name: VIGIA_CONFIG
        value: /etc/vigia/config/config.yaml
      - name: VIGIA_NODE
        valueFrom:
          fieldRef:
            fieldPath: spec.nodeName
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- include "vigia.probes" . | nindent 4 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml .Values.containerSecurityContext | nindent 6 }}
    volumeMounts:
      {{- include "vigia.volumeMounts" . | nindent 6 }}
volumes:
  {{- include "vigia.volumes" . | nindent 2 }}
{{- end }}

{{/* Live: it answers. Ready: programs are attached; a node whose kernel refuses them is not restarted for it. */}}
{{- define "vigia.probes" -}}
{{- if .Values.metrics.enabled -}}
ports:
  - name: metrics
    containerPort: {{ .Values.metrics.port }}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
{{- else -}}
{{- $status := dict "exec" (dict "command" (list "/usr/bin/agent" "status")) -}}
startupProbe:
  {{- merge (dict "periodSeconds" 2 "failureThreshold" 60) $status | toYaml | nindent 2 }}
livenessProbe:
  {{- merge (dict "periodSeconds" 60 "timeoutSeconds" 10 "failureThreshold" 3) $status | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{- define "vigia.volumeMounts" -}}
- name: config
  mountPath: /etc/vigia/config
  readOnly: true
{{- if .Values.profiles }}
- name: profiles
  mountPath: /etc/vigia/profiles
  readOnly: true
{{- end }}
- name: rules
  mountPath: /etc/vigia/rules.d
  readOnly: true
{{- range $index, $_ := .Values.secrets }}
- name: secret-{{ $index }}
  mountPath: /etc/vigia/secrets/{{ .existingSecret }}
  readOnly: true
{{- end }}
- name: state
  mountPath: /var/lib/vigia
- name: run
  mountPath: /run/vigia
- name: cgroup
  mountPath: /sys/fs/cgroup
  readOnly: true
- name: security
  mountPath: /sys/kernel/security
  readOnly: true
{{- range $name, $runtime := include "vigia.runtimes" . | fromYaml }}
{{- if $runtime.enabled }}
- name: {{ $name }}
  mountPath: {{ include "vigia.socketMount" $runtime }}
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vigia.volumes" -}}
- name: config
  configMap:
    name: {{ include "vigia.fullname" . }}
{{- if .Values.profiles }}
- name: profiles
  configMap:
    name: {{ include "vigia.fullname" . }}-profiles
{{- end }}
{{- /* Always mounted, there or not: rules come, change and go while the agent runs. */}}
- name: rules
  configMap:
    name: {{ include "vigia.fullname" . }}-rules
    optional: true
{{- range $index, $_ := .Values.secrets }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ .existingSecret }}
    {{- /* 0400 */}}
    defaultMode: 256
{{- end }}
- name: state
  hostPath:
    path: {{ .Values.stateDir }}
    type: DirectoryOrCreate
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- /* The whole hierarchy: the container's own shows its part. */}}
- name: cgroup
  hostPath:
    path: /sys/fs/cgroup
    type: Directory
{{- /* Which security modules are active, without the right to mount. */}}
- name: security
  hostPath:
    path: /sys/kernel/security
    type: Directory
{{- range $name, $runtime := include "vigia.runtimes" . | fromYaml }}
{{- if $runtime.enabled }}
{{- /* Made where the node has no such runtime: an empty folder. */}}
- name: {{ $name }}
  hostPath:
    path: {{ include "vigia.socketFolder" $runtime }}
    type: DirectoryOrCreate
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
