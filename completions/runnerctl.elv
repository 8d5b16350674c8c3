
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
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand validate 'Check pool files and fleet file; ask GARM only with --online'
            cand plan 'Show the difference between the files and GARM'
            cand apply 'Carry a plan out, after asking'
            cand status 'Show what the pools are doing'
            cand watch 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log'
            cand import 'Write the pools that nobody owns as YAML that adopts them'
            cand demo 'See the whole thing on a simulated GARM, in seconds'
            cand sandbox 'Serve a simulated GARM on this machine, to try every command on'
            cand schema 'Print the JSON Schema of the files'
            cand completions 'Print a completion script for a shell'
            cand man 'Print the manual page'
            cand reference 'Print the reference of the pool files or of the fleet file'
        }
        &'runnerctl;validate'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --online 'Ask GARM, too: whether it knows the providers, entities and templates that pools name, and whether mTLS is enforced'
            cand --strict 'A warning fails, too'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;plan'= {
            cand --out 'Save the plan, for `apply FILE` to hold the later one against'
            cand --target 'Only this pool; may be repeated. Deletes nothing'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --detailed-exitcode 'Exit 2 when there are changes or blocked steps'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;apply'= {
            cand --allow-destroy 'Leave to delete and replace pools; `=all` when that is most of the fleet'
            cand --parallelism 'Pools worked on at once'
            cand --drain-timeout 'How long to wait for busy runners of a pool that goes'
            cand --target 'Only this pool; may be repeated. Deletes nothing'
            cand --audit 'Where every write is recorded [default: `watch.audit` of the fleet file, then the state folder]'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --auto-approve 'Do not ask. Never implies --allow-destroy'
            cand --rotate 'Replace idle runners that were made before their pool was changed'
            cand --no-audit 'Record nothing'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;status'= {
            cand --interval 'How long between two looks of --follow'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --runners 'Show every runner, too'
            cand --follow 'Show it again and again, until stopped'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;watch'= {
            cand --listen 'Where metrics, health and decisions are served [default: `watch.listen` of the fleet file]'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --dry-run 'Decide, and write nothing to GARM'
            cand --once 'Read once, decide once, write; end when the runners asked for are on their way'
            cand --release 'Lower every raised level to its floor, and end'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;import'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;demo'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;sandbox'= {
            cand --listen 'Where to listen; loopback only, port 0 takes a free one'
            cand --write-config 'Write a fleet file that connects to it, and FILE.password beside it'
            cand --pools 'Start with so many pools made by hand'
            cand --runners 'Start with so many idle runners in these pools'
            cand --jobs 'Start with so many jobs queued for these pools and not handed out'
            cand --arrivals 'Let jobs keep coming for whatever pools there are: `30/m`, `2/s`, `100/h`'
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;schema'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;completions'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;man'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'runnerctl;reference'= {
            cand --config 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]'
            cand -f 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand --pools 'Pool file or folder of them [default: `pools` beside the fleet file]'
            cand -o 'Form of the result'
            cand --output 'Form of the result'
            cand --color 'When to colour'
            cand --allow-exec 'Let `exec:` secret references run their commands'
            cand -v 'Log what is done to stderr; repeat for more'
            cand --verbose 'Log what is done to stderr; repeat for more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
