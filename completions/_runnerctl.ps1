
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'runnerctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'runnerctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'runnerctl' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check pool files and fleet file; ask GARM only with --online')
            [CompletionResult]::new('plan', 'plan', [CompletionResultType]::ParameterValue, 'Show the difference between the files and GARM')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Carry a plan out, after asking')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show what the pools are doing')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Check the audit log')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Write the pools that nobody owns as YAML that adopts them')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'See the whole thing on a simulated GARM, in seconds')
            [CompletionResult]::new('sandbox', 'sandbox', [CompletionResultType]::ParameterValue, 'Serve a simulated GARM on this machine, to try every command on')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of the files')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page')
            [CompletionResult]::new('reference', 'reference', [CompletionResultType]::ParameterValue, 'Print the reference of the pool files or of the fleet file')
            break
        }
        'runnerctl;validate' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--online', '--online', [CompletionResultType]::ParameterName, 'Ask GARM, too: whether it knows the providers, entities and templates that pools name, and whether mTLS is enforced')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'A warning fails, too')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;plan' {
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Save the plan, for `apply FILE` to hold the later one against')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Only this pool; may be repeated. Deletes nothing')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'Exit 2 when there are changes or blocked steps')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;apply' {
            [CompletionResult]::new('--allow-destroy', '--allow-destroy', [CompletionResultType]::ParameterName, 'Leave to delete and replace pools; `=all` when that is most of the fleet')
            [CompletionResult]::new('--parallelism', '--parallelism', [CompletionResultType]::ParameterName, 'Pools worked on at once')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long to wait for busy runners of a pool that goes')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Only this pool; may be repeated. Deletes nothing')
            [CompletionResult]::new('--audit', '--audit', [CompletionResultType]::ParameterName, 'Where every write is recorded [default: `watch.audit` of the fleet file, then the state folder]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--auto-approve', '--auto-approve', [CompletionResultType]::ParameterName, 'Do not ask. Never implies --allow-destroy')
            [CompletionResult]::new('--rotate', '--rotate', [CompletionResultType]::ParameterName, 'Replace idle runners that were made before their pool was changed')
            [CompletionResult]::new('--no-audit', '--no-audit', [CompletionResultType]::ParameterName, 'Record nothing')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;status' {
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'How long between two looks of --follow')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--runners', '--runners', [CompletionResultType]::ParameterName, 'Show every runner, too')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Show it again and again, until stopped')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;watch' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where metrics, health and decisions are served [default: `watch.listen` of the fleet file]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Decide, and write nothing to GARM')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'Read once, decide once, write; end when the runners asked for are on their way')
            [CompletionResult]::new('--release', '--release', [CompletionResultType]::ParameterName, 'Lower every raised level to its floor, and end')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;audit' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check the chain over rotated files, name the first bad record, find cuts')
            break
        }
        'runnerctl;audit;verify' {
            [CompletionResult]::new('--head', '--head', [CompletionResultType]::ParameterName, 'A record that must be there, as `watch` logs it: shows what is cut off at the end')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Where the files that are archived elsewhere end, as `watch` logs it when it goes on in a new file')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Key of the HMACs; repeated after a change of keys: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: those of the fleet file, if there is one]')
            [CompletionResult]::new('--anchor', '--anchor', [CompletionResultType]::ParameterName, 'Signed statements of `watch.audit_anchor`, one a line: they prove that nothing before the last one was changed')
            [CompletionResult]::new('--anchor-key', '--anchor-key', [CompletionResultType]::ParameterName, 'Public key of the statements, PEM')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;import' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;demo' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;sandbox' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where to listen; loopback only, port 0 takes a free one')
            [CompletionResult]::new('--write-config', '--write-config', [CompletionResultType]::ParameterName, 'Write a fleet file that connects to it, and FILE.password beside it')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Start with so many pools made by hand')
            [CompletionResult]::new('--runners', '--runners', [CompletionResultType]::ParameterName, 'Start with so many idle runners in these pools')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Start with so many jobs queued for these pools and not handed out')
            [CompletionResult]::new('--arrivals', '--arrivals', [CompletionResultType]::ParameterName, 'Let jobs keep coming for whatever pools there are: `30/m`, `2/s`, `100/h`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;schema' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;completions' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;man' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;reference' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of them [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, laid over the fleet file''s policy and never loosening it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Form of the result')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Let `exec:` secret references run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log what is done to stderr; repeat for more')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
