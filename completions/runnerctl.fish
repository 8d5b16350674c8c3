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
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_needs_command" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -s V -l version -d 'Print version'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "validate" -d 'Check pool files and fleet file; ask GARM only with --online'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "plan" -d 'Show the difference between the files and GARM'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "apply" -d 'Carry a plan out, after asking'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "status" -d 'Show what the pools are doing'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "watch" -d 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "audit" -d 'Check the audit log'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "import" -d 'Write the pools that nobody owns as YAML that adopts them'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "demo" -d 'See the whole thing on a simulated GARM, in seconds'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "sandbox" -d 'Serve a simulated GARM on this machine, to try every command on'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "schema" -d 'Print the JSON Schema of the files'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "man" -d 'Print the manual page'
complete -c runnerctl -n "__fish_runnerctl_needs_command" -f -a "reference" -d 'Print the reference of the pool files or of the fleet file'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l online -d 'Ask GARM, too: whether it knows the providers, entities and templates that pools name, and whether mTLS is enforced'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l strict -d 'A warning fails, too'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand validate" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l out -d 'Save the plan, for `apply FILE` to hold the later one against' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l target -d 'Only this pool; may be repeated. Deletes nothing' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l detailed-exitcode -d 'Exit 2 when there are changes or blocked steps'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand plan" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l allow-destroy -d 'Leave to delete and replace pools; `=all` when that is most of the fleet' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l parallelism -d 'Pools worked on at once' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l drain-timeout -d 'How long to wait for busy runners of a pool that goes' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l target -d 'Only this pool; may be repeated. Deletes nothing' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l audit -d 'Where every write is recorded [default: `watch.audit` of the fleet file, then the state folder]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l auto-approve -d 'Do not ask. Never implies --allow-destroy'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l rotate -d 'Replace idle runners that were made before their pool was changed'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l no-audit -d 'Record nothing'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand apply" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l interval -d 'How long between two looks of --follow' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l runners -d 'Show every runner, too'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l follow -d 'Show it again and again, until stopped'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l listen -d 'Where metrics, health and decisions are served [default: `watch.listen` of the fleet file]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l dry-run -d 'Decide, and write nothing to GARM'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l once -d 'Read once, decide once, write; end when the runners asked for are on their way'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l release -d 'Lower every raised level to its floor, and end'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand watch" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and not __fish_seen_subcommand_from verify" -f -a "verify" -d 'Check the chain over rotated files, name the first bad record, find cuts'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l head -d 'A record that must be there, as `watch` logs it: shows what is cut off at the end' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l since -d 'Where the files that are archived elsewhere end, as `watch` logs it when it goes on in a new file' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l key -d 'Key of the HMACs; repeated after a change of keys: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: those of the fleet file, if there is one]' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchor -d 'Signed statements of `watch.audit_anchor`, one a line: they prove that nothing before the last one was changed' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchor-key -d 'Public key of the statements, PEM' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand import" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand demo" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l listen -d 'Where to listen; loopback only, port 0 takes a free one' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l write-config -d 'Write a fleet file that connects to it, and FILE.password beside it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l pools -d 'Start with so many pools made by hand' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l runners -d 'Start with so many idle runners in these pools' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l jobs -d 'Start with so many jobs queued for these pools and not handed out' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l arrivals -d 'Let jobs keep coming for whatever pools there are: `30/m`, `2/s`, `100/h`' -r
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand sandbox" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand schema" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand man" -s h -l help -d 'Print help'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l config -d 'Fleet file [default: ./runnerctl.yaml, else the user\'s, else the system\'s]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s f -l pools -d 'Pool file or folder of them [default: `pools` beside the fleet file]' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l policy -d 'Policy file, laid over the fleet file\'s policy and never loosening it' -r -F
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s o -l output -d 'Form of the result' -r -f -a "text\t''
json\t''
markdown\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l color -d 'When to colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -l allow-exec -d 'Let `exec:` secret references run their commands'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s v -l verbose -d 'Log what is done to stderr; repeat for more'
complete -c runnerctl -n "__fish_runnerctl_using_subcommand reference" -s h -l help -d 'Print help (see more with \'--help\')'
