# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_runnerctl_global_optspecs
    string join \n config= f/pools= policy= allow-exec o/output= color= v/verbose h/help V/version
end

function __fish_runnerctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_runnerctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_runnerctl_using_subcommand
    set -l cmd (__fish_runnerctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c runnerctl -n "__fish_runnerctl_needs_command" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s V -l version -d 'Print version'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "init" -d 'Write the files of a new fleet; ask GARM and the user for missing values'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "validate" -d 'Check the pool files and the fleet file; with --online also against GARM'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "plan" -d 'Show the difference between the files and GARM'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "show" -d 'Show a plan that `plan --out` has saved'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "apply" -d 'Apply the planned changes after confirmation'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "status" -d 'Show the state of the pools'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "watch" -d 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "healthcheck" -d 'Ask a running `watch` whether it is healthy, for a container or a script'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "audit" -d 'Show or verify the audit log'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "import" -d 'Print unmanaged pools as YAML with `adopt`'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "demo" -d 'Run a demonstration on a simulated GARM, in seconds'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "sandbox" -d 'Serve a simulated GARM on this machine for trying out the commands'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "explain" -d 'Explain a pool field or a key of the fleet file'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "schema" -d 'Print the JSON Schema of a file or of a JSON output'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "version" -d 'Print the version'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "complete" -d 'Print the names that may end a command line, for the completion scripts'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "exit-codes" -d 'List the exit codes'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "man" -d 'Print the manual page'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "reference" -d 'Print the reference of the pool files or of the fleet file'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l url -d 'GARM\'s URL' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l username -d 'Name of GARM\'s administrator' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l password -d 'Reference to the administrator\'s password: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: env:GARM_PASSWORD]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l ca -d 'CA of GARM\'s certificate (PEM) [default: the system\'s]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l fleet -d 'Name of the fleet [default: the name of the organization, repository or enterprise]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l organization -d 'GitHub organization whose jobs the fleet serves' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l repository -d 'GitHub repository whose jobs the fleet serves' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l enterprise -d 'GitHub enterprise whose jobs the fleet serves' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l provider -d 'GARM\'s provider' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l image -d 'Image of the VMs' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l instance-type -d 'Size of the VMs' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l pool -d 'Name of the first pool, and the label that jobs request' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l insecure-http -d 'Allow `http://` beyond loopback: password and tokens are then sent unencrypted'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand init" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l garm -d 'Only this GARM of `garms` in the fleet file; repeatable' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l online -d 'Also check against GARM: providers, entities, templates, live pools, and whether mTLS is enforced'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l strict -d 'Treat warnings as errors'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l out -d 'Save the plan for `apply FILE`' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l target -d 'Plan only for this pool; repeatable. Deletes no pool' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l policy-since -d 'Also show what has changed in the files since this git revision and is not stored in GARM' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l garm -d 'Only this GARM of `garms` in the fleet file; repeatable' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l detailed-exitcode -d 'Exit with code 2 if there are changes or blocked steps'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand show" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l allow-destroy -d 'Allow deleting and replacing pools; `=all` if more than half of the fleet' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l parallelism -d 'Number of pools changed at the same time at one GARM' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l drain-timeout -d 'How long to wait for the busy runners of a pool to be deleted' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l target -d 'Plan only for this pool; repeatable. Deletes no pool' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l audit -d 'Audit log file [default: `watch.audit` of the fleet file, else in the state folder]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l garm -d 'Only this GARM of `garms` in the fleet file; repeatable' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l auto-approve -d 'Skip the confirmation. Does not imply --allow-destroy'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l rotate -d 'Replace idle runners that were created before their pool was changed'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l no-audit -d 'Do not write an audit log'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l interval -d 'Time between two refreshes of --follow' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l garm -d 'Only this GARM of `garms` in the fleet file; repeatable' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l runners -d 'Also show each runner'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l jobs -d 'Also show each queued job and why it waits'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l follow -d 'Refresh until stopped'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l listen -d 'Address for status page, metrics, health and decisions [default: `watch.listen` of the fleet file]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l garm -d 'Only this GARM of `garms` in the fleet file; repeatable' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l dry-run -d 'Log decisions without writing to GARM'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l once -d 'Read, decide and write once; end when the requested runners have been created'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l release -d 'Lower every raised level to its floor and end'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -l url -d '`http://HOST:PORT` or `https://HOST:PORT` [default: `watch.listen` of the fleet file]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -f -a "show" -d 'Print records: who did what and when, or the life of one runner; verifies nothing'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -f -a "verify" -d 'Verify the hash chain over rotated files; report the first bad record and missing parts'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from show verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l runner -d 'Show only the life of this runner' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l pool -d 'Show only records about this pool and its runners, by name or by GARM\'s id' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l since -d 'Show only records since this time (2026-09-21T14:00:00Z, 2026-09-21) or of the last 30m, 2h, 7d' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l garm -d 'The GARM of `garms` in the fleet file' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l head -d 'Record that must be present, as logged by `watch`; detects a truncated end' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l since -d 'Last record of the files that are archived elsewhere, as logged by `watch` at a rotation' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l key -d 'Key of the HMACs; repeatable if the key has changed: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: the keys of the fleet file, if there is one]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchor -d 'Signed statements of `watch.audit_anchor`, one per line; they prove that no record before the last statement was changed' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchor-key -d 'Public key of the statements (PEM)' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print records: who did what and when, or the life of one runner; verifies nothing'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Verify the hash chain over rotated files; report the first bad record and missing parts'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l garm -d 'The GARM of `garms` in the fleet file' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l listen -d 'Loopback address to listen on; port 0 selects a free port' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l write-config -d 'Write a fleet file that connects to the sandbox, and FILE.password beside it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l pools -d 'Number of pools to start with, as if created by hand' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l runners -d 'Number of idle runners to start with in these pools' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l jobs -d 'Number of jobs to start with that wait for these pools and are not assigned' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l scale-sets -d 'Number of scale sets to start with, as if created by hand' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l arrivals -d 'Rate of new jobs for the existing pools and scale sets: `30/m`, `2/s`, `100/h`' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l kind -d 'Kind of file or output [default: one schema that accepts all files]' -r -f -a "pool\t'A pool file'
fleet\t'The fleet file'
policy\t'A policy file'
plan\t'`plan -o json`'
apply\t'`apply -o json`'
status\t'`status -o json`'
validate\t'`validate -o json`'
audit\t'`audit verify -o json`'
explain\t'`explain -o json`'
version\t'`version -o json`'
decisions\t'The page `/decisions` of `watch`'
error\t'Any command that fails under `-o json`'
log-line\t'One line of `watch -o json`'"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand version" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand complete" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand exit-codes" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s f -l pools -d 'Pool file or folder of pool files [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l policy -d 'Policy file, added to the policy of the fleet file; it can only tighten it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s o -l output -d 'Output format' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l allow-exec -d 'Allow `exec:` secret references to run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s v -l verbose -d 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "init" -d 'Write the files of a new fleet; ask GARM and the user for missing values'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "validate" -d 'Check the pool files and the fleet file; with --online also against GARM'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "plan" -d 'Show the difference between the files and GARM'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "show" -d 'Show a plan that `plan --out` has saved'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "apply" -d 'Apply the planned changes after confirmation'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "status" -d 'Show the state of the pools'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "watch" -d 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "healthcheck" -d 'Ask a running `watch` whether it is healthy, for a container or a script'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "audit" -d 'Show or verify the audit log'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "import" -d 'Print unmanaged pools as YAML with `adopt`'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "demo" -d 'Run a demonstration on a simulated GARM, in seconds'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "sandbox" -d 'Serve a simulated GARM on this machine for trying out the commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "explain" -d 'Explain a pool field or a key of the fleet file'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "schema" -d 'Print the JSON Schema of a file or of a JSON output'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "version" -d 'Print the version'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "complete" -d 'Print the names that may end a command line, for the completion scripts'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "exit-codes" -d 'List the exit codes'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "man" -d 'Print the manual page'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "reference" -d 'Print the reference of the pool files or of the fleet file'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and not __fish_seen_subcommand_from init validate plan show apply status watch healthcheck audit import demo sandbox explain schema completions version complete exit-codes man reference help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "show" -d 'Print records: who did what and when, or the life of one runner; verifies nothing'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Verify the hash chain over rotated files; report the first bad record and missing parts'

function __runnerctl_names
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete -- $words[2..] 2>/dev/null
end
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -f -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand explain" -f -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l target -x -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l target -x -a "(__runnerctl_names)"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit" -l pool -x -a "(__runnerctl_names)"
