# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_vigia_global_optspecs
    string join \n config= h/help V/version
end

function __fish_vigia_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_vigia_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_vigia_using_subcommand
    set -l cmd (__fish_vigia_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c vigia -n "__fish_vigia_needs_command" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_needs_command" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_needs_command" -s V -l version -d 'Print version'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "run" -d 'Run the agent in the foreground'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "watch" -d 'Show live what containers do, and alerts'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "check" -d 'Say what this kernel and host allow: load the sensor, list its capabilities, detach it'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "replay" -d 'Run the detection again over what `agent run --record` wrote, without a kernel'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "status" -d 'Show the state of the running agent'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "graph" -d 'Show which image contacts which, and at which port; those that the profile does not name are new'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "reload" -d 'Have the running agent read its configuration, profiles and rules again; exit code 78 when it refuses them'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "profile" -d 'Learn and inspect behaviour profiles'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "rules" -d 'List the rules with their documentation; check and test rules of your own'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "explain" -d 'Say what a rule means, why it matters and what to do; or what an alert says'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "config" -d 'Print, check and document the configuration'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "sink" -d 'Try where alerts go'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "spool" -d 'Look at the spool of undelivered alerts'
complete -c vigia -n "__fish_vigia_needs_command" -f -a "version" -d 'Print the version'
complete -c vigia -n "__fish_vigia_using_subcommand run" -l alerts -d 'Also write alerts to this file (rotated, mode 0600)' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -l profiles -d 'Folder of behaviour profiles' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -l docker-socket -d 'Docker\'s API: a path, unix://... or tcp://host:port' -r
complete -c vigia -n "__fish_vigia_using_subcommand run" -l state-dir -d 'Folder of what must survive a restart' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -l run-dir -d 'Folder of the control socket and the lock' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -l metrics-listen -d 'Address of /metrics and /readyz' -r
complete -c vigia -n "__fish_vigia_using_subcommand run" -l record -d 'Write the run down to this file, for `agent replay`; it must not exist' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -l record-max-mib -d 'Size at which the recording ends' -r
complete -c vigia -n "__fish_vigia_using_subcommand run" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand run" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l container -d 'Only this container: name, id or the beginning of its id; then every single event of it is shown' -r
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l image -d 'Only containers whose image contains this text; then every single event of them is shown' -r
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l class -d 'Only alerts of these classes' -r
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l kind -d 'Only these kinds of events' -r -f -a "exec\t''
file_open\t''
bind\t''
listen\t''
connect\t''
send\t''
unix_connect\t''
mount\t''
ptrace\t''
setns\t''
module\t''
bpf\t''
unlink\t''
rename\t''
container\t''
chroot\t''
chdir\t''
mknod\t''
link\t''
symlink\t''
setattr\t''
mmap\t''
socket\t''
capable\t''
signal\t''
credentials\t''
syscall\t''
receive\t''
unix_bind\t''
exec_attempt\t''
unshare\t''
dns\t''"
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l run-dir -d 'Folder of the control socket' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l json -d 'NDJSON instead of readable lines'
complete -c vigia -n "__fish_vigia_using_subcommand watch" -l all -d 'Also reads of files that are in the image (always shown with --json or --kind file_open)'
complete -c vigia -n "__fish_vigia_using_subcommand watch" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand check" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand check" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand replay" -l profiles -d 'Folder of behaviour profiles instead of the recorded ones' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand replay" -l output -d 'Readable lines, or the alerts as NDJSON' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand replay" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand status" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand status" -l container -d 'Only this container, with its books: its name, its id, or the beginning of its id' -r
complete -c vigia -n "__fish_vigia_using_subcommand status" -l run-dir -d 'Folder of the control socket' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand status" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l output -r -f -a "text\t'A line per edge'
dot\t'For Graphviz'
json\t'`vigia.graph/v1`'
mermaid\t'For Markdown that draws Mermaid\'s diagrams'"
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l image -d 'Only edges from or to an image with this in its name' -r
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l recording -d 'The graph of what `agent run --record` wrote, instead of the running agent\'s' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l run-dir -d 'Folder of the control socket' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand graph" -l new -d 'Only edges that the profile of the contacting image does not name'
complete -c vigia -n "__fish_vigia_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand reload" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand reload" -l run-dir -d 'Folder of the control socket' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand reload" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -f -a "learn" -d 'Watch a container or an image for a while and write down what it does'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -f -a "lint" -d 'Check profiles; exit code 78 when one is wrong'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -f -a "list" -d 'List the profiles of a folder'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and not __fish_seen_subcommand_from learn lint list show" -f -a "show" -d 'Print a profile'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -l container -d 'Name or id of a running container' -r
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -l image -d 'Every container of this image: reference, id or digest' -r
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -l for -d 'How long: 60s, 5m, 1h' -r
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -s o -l output -d 'File to write [default: standard output]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -l run-dir -d 'Folder of the control socket' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from learn" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from lint" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from lint" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from list" -l profiles -d 'Folder of profiles [default: the configured one]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from list" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from list" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from show" -l profiles -d 'Folder of profiles [default: the configured one]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from show" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from show" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand profile; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -l output -r -f -a "text\t'One line per rule'
json\t''
markdown\t'What `docs/rules.md` is: the rules that are shipped'
navigator\t'Coverage of ATT&CK, as a layer of its Navigator'"
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -a "test" -d 'Run the tests that are written in files of rules; exit code 1 when one fails, 78 when a file is wrong'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -a "lint" -d 'Check files of rules; exit code 78 when one is wrong'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and not __fish_seen_subcommand_from test lint import-falco" -a "import-falco" -d 'Translate rules of Falco: rules of users on stdout, on stderr what became of each; exit code 1 when none was translated, 78 when a file is malformed'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from test" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from test" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from lint" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from lint" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from import-falco" -l output -d 'Shape of the report on stderr' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from import-falco" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand rules; and __fish_seen_subcommand_from import-falco" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand explain" -l spool -d 'Folder of the spool [default: the configured one]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand explain" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand explain" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -f -a "default" -d 'Print the commented default file'
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -f -a "check" -d 'Check the file, conf.d beside it and the environment together; exit code 78 when something is wrong'
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -f -a "print" -d 'Print what is in force: defaults, files, environment and flags together'
complete -c vigia -n "__fish_vigia_using_subcommand config; and not __fish_seen_subcommand_from default check print schema" -f -a "schema" -d 'Print the JSON Schema of the file'
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from default" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from default" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l alerts -d 'Also write alerts to this file (rotated, mode 0600)' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l profiles -d 'Folder of behaviour profiles' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l docker-socket -d 'Docker\'s API: a path, unix://... or tcp://host:port' -r
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l state-dir -d 'Folder of what must survive a restart' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l run-dir -d 'Folder of the control socket and the lock' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l metrics-listen -d 'Address of /metrics and /readyz' -r
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -l origins -d 'Behind each value, where it was written: a file with the line, a variable, a flag, or nowhere (default)'
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from schema" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand sink; and not __fish_seen_subcommand_from test" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand sink; and not __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c vigia -n "__fish_vigia_using_subcommand sink; and not __fish_seen_subcommand_from test" -f -a "test" -d 'Send one alert of the rule sensor.sink_test, whatever the sink\'s filter says; exit code 1 when it does not arrive'
complete -c vigia -n "__fish_vigia_using_subcommand sink; and __fish_seen_subcommand_from test" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand sink; and __fish_seen_subcommand_from test" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand sink; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand spool" -l dir -d 'Folder of the spool [default: the configured one]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand spool" -l output -r -f -a "text\t'For people'
json\t'For programs'"
complete -c vigia -n "__fish_vigia_using_subcommand spool" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand spool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vigia -n "__fish_vigia_using_subcommand version" -l config -d 'Configuration file [default: /etc/vigia/config.yaml if it is there]' -r -F
complete -c vigia -n "__fish_vigia_using_subcommand version" -s h -l help -d 'Print help'
