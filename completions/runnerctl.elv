
use builtin;
use str;

set edit:completion:arg-completer[runnerctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'runnerctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'runnerctl'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand init 'Write the files of a new fleet; ask GARM and the user for missing values'
            cand validate 'Check the pool files and the fleet file; with --online also against GARM'
            cand plan 'Show the difference between the files and GARM'
            cand show 'Show a plan that `plan --out` has saved'
            cand apply 'Apply the planned changes after confirmation'
            cand status 'Show the state of the pools'
            cand watch 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
            cand healthcheck 'Ask a running `watch` whether it is healthy, for a container or a script'
            cand audit 'Show or verify the audit log'
            cand import 'Print unmanaged pools as YAML with `adopt`'
            cand demo 'Run a demonstration on a simulated GARM, in seconds'
            cand sandbox 'Serve a simulated GARM on this machine for trying out the commands'
            cand explain 'Explain a pool field or a key of the fleet file'
            cand schema 'Print the JSON Schema of a file or of a JSON output'
            cand completions 'Print a completion script for a shell'
            cand version 'Print the version'
            cand complete 'Print the names that may end a command line, for the completion scripts'
            cand exit-codes 'List the exit codes'
            cand man 'Print the manual page'
            cand reference 'Print the reference of the pool files or of the fleet file'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'runnerctl;init'= {
            cand --url 'GARM''s URL'
            cand --username 'Name of GARM''s administrator'
            cand --password 'Reference to the administrator''s password: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: env:GARM_PASSWORD]'
            cand --ca 'CA of GARM''s certificate (PEM) [default: the system''s]'
            cand --fleet 'Name of the fleet [default: the name of the organization, repository or enterprise]'
            cand --organization 'GitHub organization whose jobs the fleet serves'
            cand --repository 'GitHub repository whose jobs the fleet serves'
            cand --enterprise 'GitHub enterprise whose jobs the fleet serves'
            cand --provider 'GARM''s provider'
            cand --image 'Image of the VMs'
            cand --instance-type 'Size of the VMs'
            cand --pool 'Name of the first pool, and the label that jobs request'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --insecure-http 'Allow `http://` beyond loopback: password and tokens are then sent unencrypted'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;validate'= {
            cand --garm 'Only this GARM of `garms` in the fleet file; repeatable'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --online 'Also check against GARM: providers, entities, templates, live pools, and whether mTLS is enforced'
            cand --strict 'Treat warnings as errors'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;plan'= {
            cand --out 'Save the plan for `apply FILE`'
            cand --target 'Plan only for this pool; repeatable. Deletes no pool'
            cand --policy-since 'Also show what has changed in the files since this git revision and is not stored in GARM'
            cand --garm 'Only this GARM of `garms` in the fleet file; repeatable'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --detailed-exitcode 'Exit with code 2 if there are changes or blocked steps'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;show'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;apply'= {
            cand --allow-destroy 'Allow deleting and replacing pools; `=all` if more than half of the fleet'
            cand --parallelism 'Number of pools changed at the same time at one GARM'
            cand --drain-timeout 'How long to wait for the busy runners of a pool to be deleted'
            cand --target 'Plan only for this pool; repeatable. Deletes no pool'
            cand --audit 'Audit log file [default: `watch.audit` of the fleet file, else in the state folder]'
            cand --garm 'Only this GARM of `garms` in the fleet file; repeatable'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --auto-approve 'Skip the confirmation. Does not imply --allow-destroy'
            cand --rotate 'Replace idle runners that were created before their pool was changed'
            cand --no-audit 'Do not write an audit log'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;status'= {
            cand --interval 'Time between two refreshes of --follow'
            cand --garm 'Only this GARM of `garms` in the fleet file; repeatable'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --runners 'Also show each runner'
            cand --jobs 'Also show each queued job and why it waits'
            cand --follow 'Refresh until stopped'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;watch'= {
            cand --listen 'Address for status page, metrics, health and decisions [default: `watch.listen` of the fleet file]'
            cand --garm 'Only this GARM of `garms` in the fleet file; repeatable'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --dry-run 'Log decisions without writing to GARM'
            cand --once 'Read, decide and write once; end when the requested runners have been created'
            cand --release 'Lower every raised level to its floor and end'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;healthcheck'= {
            cand --url '`http://HOST:PORT` or `https://HOST:PORT` [default: `watch.listen` of the fleet file]'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;audit'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
            cand show 'Print records: who did what and when, or the life of one runner; verifies nothing'
            cand verify 'Verify the hash chain over rotated files; report the first bad record and missing parts'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'runnerctl;audit;show'= {
            cand --runner 'Show only the life of this runner'
            cand --pool 'Show only records about this pool and its runners, by name or by GARM''s id'
            cand --since 'Show only records since this time (2026-09-21T14:00:00Z, 2026-09-21) or of the last 30m, 2h, 7d'
            cand --garm 'The GARM of `garms` in the fleet file'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;audit;verify'= {
            cand --head 'Record that must be present, as logged by `watch`; detects a truncated end'
            cand --since 'Last record of the files that are archived elsewhere, as logged by `watch` at a rotation'
            cand --key 'Key of the HMACs; repeatable if the key has changed: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: the keys of the fleet file, if there is one]'
            cand --anchor 'Signed statements of `watch.audit_anchor`, one per line; they prove that no record before the last statement was changed'
            cand --anchor-key 'Public key of the statements (PEM)'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;audit;help'= {
            cand show 'Print records: who did what and when, or the life of one runner; verifies nothing'
            cand verify 'Verify the hash chain over rotated files; report the first bad record and missing parts'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'runnerctl;audit;help;show'= {
        }
        &'runnerctl;audit;help;verify'= {
        }
        &'runnerctl;audit;help;help'= {
        }
        &'runnerctl;import'= {
            cand --garm 'The GARM of `garms` in the fleet file'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;demo'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;sandbox'= {
            cand --listen 'Loopback address to listen on; port 0 selects a free port'
            cand --write-config 'Write a fleet file that connects to the sandbox, and FILE.password beside it'
            cand --pools 'Number of pools to start with, as if created by hand'
            cand --runners 'Number of idle runners to start with in these pools'
            cand --jobs 'Number of jobs to start with that wait for these pools and are not assigned'
            cand --scale-sets 'Number of scale sets to start with, as if created by hand'
            cand --arrivals 'Rate of new jobs for the existing pools and scale sets: `30/m`, `2/s`, `100/h`'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;explain'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;schema'= {
            cand --kind 'Kind of file or output [default: one schema that accepts all files]'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'runnerctl;completions'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;version'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;complete'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;exit-codes'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;man'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;reference'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of pool files [default: `pools` beside the fleet file]'
            cand --policy 'Policy file, added to the policy of the fleet file; it can only tighten it'
            cand -o 'Output format'
            cand --output 'Output format'
            cand --color 'When to use colour'
            cand --allow-exec 'Allow `exec:` secret references to run their commands'
            cand -v 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand --verbose 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;help'= {
            cand init 'Write the files of a new fleet; ask GARM and the user for missing values'
            cand validate 'Check the pool files and the fleet file; with --online also against GARM'
            cand plan 'Show the difference between the files and GARM'
            cand show 'Show a plan that `plan --out` has saved'
            cand apply 'Apply the planned changes after confirmation'
            cand status 'Show the state of the pools'
            cand watch 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
            cand healthcheck 'Ask a running `watch` whether it is healthy, for a container or a script'
            cand audit 'Show or verify the audit log'
            cand import 'Print unmanaged pools as YAML with `adopt`'
            cand demo 'Run a demonstration on a simulated GARM, in seconds'
            cand sandbox 'Serve a simulated GARM on this machine for trying out the commands'
            cand explain 'Explain a pool field or a key of the fleet file'
            cand schema 'Print the JSON Schema of a file or of a JSON output'
            cand completions 'Print a completion script for a shell'
            cand version 'Print the version'
            cand complete 'Print the names that may end a command line, for the completion scripts'
            cand exit-codes 'List the exit codes'
            cand man 'Print the manual page'
            cand reference 'Print the reference of the pool files or of the fleet file'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'runnerctl;help;init'= {
        }
        &'runnerctl;help;validate'= {
        }
        &'runnerctl;help;plan'= {
        }
        &'runnerctl;help;show'= {
        }
        &'runnerctl;help;apply'= {
        }
        &'runnerctl;help;status'= {
        }
        &'runnerctl;help;watch'= {
        }
        &'runnerctl;help;healthcheck'= {
        }
        &'runnerctl;help;audit'= {
            cand show 'Print records: who did what and when, or the life of one runner; verifies nothing'
            cand verify 'Verify the hash chain over rotated files; report the first bad record and missing parts'
        }
        &'runnerctl;help;audit;show'= {
        }
        &'runnerctl;help;audit;verify'= {
        }
        &'runnerctl;help;import'= {
        }
        &'runnerctl;help;demo'= {
        }
        &'runnerctl;help;sandbox'= {
        }
        &'runnerctl;help;explain'= {
        }
        &'runnerctl;help;schema'= {
        }
        &'runnerctl;help;completions'= {
        }
        &'runnerctl;help;version'= {
        }
        &'runnerctl;help;complete'= {
        }
        &'runnerctl;help;exit-codes'= {
        }
        &'runnerctl;help;man'= {
        }
        &'runnerctl;help;reference'= {
        }
        &'runnerctl;help;help'= {
        }
    ]
    $completions[$command]
}
