
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
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write the files of a new fleet; ask GARM and the user for missing values')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check the pool files and the fleet file; with --online also against GARM')
            [CompletionResult]::new('plan', 'plan', [CompletionResultType]::ParameterValue, 'Show the difference between the files and GARM')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a plan that `plan --out` has saved')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply the planned changes after confirmation')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the state of the pools')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log')
            [CompletionResult]::new('healthcheck', 'healthcheck', [CompletionResultType]::ParameterValue, 'Ask a running `watch` whether it is healthy, for a container or a script')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Show or verify the audit log')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Print unmanaged pools as YAML with `adopt`')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Run a demonstration on a simulated GARM, in seconds')
            [CompletionResult]::new('sandbox', 'sandbox', [CompletionResultType]::ParameterValue, 'Serve a simulated GARM on this machine for trying out the commands')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a pool field or a key of the fleet file')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of a file or of a JSON output')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Print the version')
            [CompletionResult]::new('complete', 'complete', [CompletionResultType]::ParameterValue, 'Print the names that may end a command line, for the completion scripts')
            [CompletionResult]::new('exit-codes', 'exit-codes', [CompletionResultType]::ParameterValue, 'List the exit codes')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page')
            [CompletionResult]::new('reference', 'reference', [CompletionResultType]::ParameterValue, 'Print the reference of the pool files or of the fleet file')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'runnerctl;init' {
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'GARM''s URL')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'Name of GARM''s administrator')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'Reference to the administrator''s password: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: env:GARM_PASSWORD]')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'CA of GARM''s certificate (PEM) [default: the system''s]')
            [CompletionResult]::new('--fleet', '--fleet', [CompletionResultType]::ParameterName, 'Name of the fleet [default: the name of the organization, repository or enterprise]')
            [CompletionResult]::new('--organization', '--organization', [CompletionResultType]::ParameterName, 'GitHub organization whose jobs the fleet serves')
            [CompletionResult]::new('--repository', '--repository', [CompletionResultType]::ParameterName, 'GitHub repository whose jobs the fleet serves')
            [CompletionResult]::new('--enterprise', '--enterprise', [CompletionResultType]::ParameterName, 'GitHub enterprise whose jobs the fleet serves')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'GARM''s provider')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Image of the VMs')
            [CompletionResult]::new('--instance-type', '--instance-type', [CompletionResultType]::ParameterName, 'Size of the VMs')
            [CompletionResult]::new('--pool', '--pool', [CompletionResultType]::ParameterName, 'Name of the first pool, and the label that jobs request')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--insecure-http', '--insecure-http', [CompletionResultType]::ParameterName, 'Allow `http://` beyond loopback: password and tokens are then sent unencrypted')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;validate' {
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'Only this GARM of `garms` in the fleet file; repeatable')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--online', '--online', [CompletionResultType]::ParameterName, 'Also check against GARM: providers, entities, templates, live pools, and whether mTLS is enforced')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Treat warnings as errors')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;plan' {
            [CompletionResult]::new('--out', '--out', [CompletionResultType]::ParameterName, 'Save the plan for `apply FILE`')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Plan only for this pool; repeatable. Deletes no pool')
            [CompletionResult]::new('--policy-since', '--policy-since', [CompletionResultType]::ParameterName, 'Also show what has changed in the files since this git revision and is not stored in GARM')
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'Only this GARM of `garms` in the fleet file; repeatable')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--detailed-exitcode', '--detailed-exitcode', [CompletionResultType]::ParameterName, 'Exit with code 2 if there are changes or blocked steps')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;show' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;apply' {
            [CompletionResult]::new('--allow-destroy', '--allow-destroy', [CompletionResultType]::ParameterName, 'Allow deleting and replacing pools; `=all` if more than half of the fleet')
            [CompletionResult]::new('--parallelism', '--parallelism', [CompletionResultType]::ParameterName, 'Number of pools changed at the same time at one GARM')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long to wait for the busy runners of a pool to be deleted')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Plan only for this pool; repeatable. Deletes no pool')
            [CompletionResult]::new('--audit', '--audit', [CompletionResultType]::ParameterName, 'Audit log file [default: `watch.audit` of the fleet file, else in the state folder]')
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'Only this GARM of `garms` in the fleet file; repeatable')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--auto-approve', '--auto-approve', [CompletionResultType]::ParameterName, 'Skip the confirmation. Does not imply --allow-destroy')
            [CompletionResult]::new('--rotate', '--rotate', [CompletionResultType]::ParameterName, 'Replace idle runners that were created before their pool was changed')
            [CompletionResult]::new('--no-audit', '--no-audit', [CompletionResultType]::ParameterName, 'Do not write an audit log')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;status' {
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Time between two refreshes of --follow')
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'Only this GARM of `garms` in the fleet file; repeatable')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--runners', '--runners', [CompletionResultType]::ParameterName, 'Also show each runner')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Also show each queued job and why it waits')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Refresh until stopped')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;watch' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Address for status page, metrics, health and decisions [default: `watch.listen` of the fleet file]')
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'Only this GARM of `garms` in the fleet file; repeatable')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Log decisions without writing to GARM')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'Read, decide and write once; end when the requested runners have been created')
            [CompletionResult]::new('--release', '--release', [CompletionResultType]::ParameterName, 'Lower every raised level to its floor and end')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;healthcheck' {
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, '`http://HOST:PORT` or `https://HOST:PORT` [default: `watch.listen` of the fleet file]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;audit' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print records: who did what and when, or the life of one runner; verifies nothing')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify the hash chain over rotated files; report the first bad record and missing parts')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'runnerctl;audit;show' {
            [CompletionResult]::new('--runner', '--runner', [CompletionResultType]::ParameterName, 'Show only the life of this runner')
            [CompletionResult]::new('--pool', '--pool', [CompletionResultType]::ParameterName, 'Show only records about this pool and its runners, by name or by GARM''s id')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Show only records since this time (2026-09-21T14:00:00Z, 2026-09-21) or of the last 30m, 2h, 7d')
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'The GARM of `garms` in the fleet file')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;audit;verify' {
            [CompletionResult]::new('--head', '--head', [CompletionResultType]::ParameterName, 'Record that must be present, as logged by `watch`; detects a truncated end')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Last record of the files that are archived elsewhere, as logged by `watch` at a rotation')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Key of the HMACs; repeatable if the key has changed: env:NAME, file:PATH, vault:PATH#FIELD or exec:COMMAND [default: the keys of the fleet file, if there is one]')
            [CompletionResult]::new('--anchor', '--anchor', [CompletionResultType]::ParameterName, 'Signed statements of `watch.audit_anchor`, one per line; they prove that no record before the last statement was changed')
            [CompletionResult]::new('--anchor-key', '--anchor-key', [CompletionResultType]::ParameterName, 'Public key of the statements (PEM)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;audit;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print records: who did what and when, or the life of one runner; verifies nothing')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify the hash chain over rotated files; report the first bad record and missing parts')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'runnerctl;audit;help;show' {
            break
        }
        'runnerctl;audit;help;verify' {
            break
        }
        'runnerctl;audit;help;help' {
            break
        }
        'runnerctl;import' {
            [CompletionResult]::new('--garm', '--garm', [CompletionResultType]::ParameterName, 'The GARM of `garms` in the fleet file')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;demo' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;sandbox' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Loopback address to listen on; port 0 selects a free port')
            [CompletionResult]::new('--write-config', '--write-config', [CompletionResultType]::ParameterName, 'Write a fleet file that connects to the sandbox, and FILE.password beside it')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Number of pools to start with, as if created by hand')
            [CompletionResult]::new('--runners', '--runners', [CompletionResultType]::ParameterName, 'Number of idle runners to start with in these pools')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Number of jobs to start with that wait for these pools and are not assigned')
            [CompletionResult]::new('--scale-sets', '--scale-sets', [CompletionResultType]::ParameterName, 'Number of scale sets to start with, as if created by hand')
            [CompletionResult]::new('--arrivals', '--arrivals', [CompletionResultType]::ParameterName, 'Rate of new jobs for the existing pools and scale sets: `30/m`, `2/s`, `100/h`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;explain' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;schema' {
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'Kind of file or output [default: one schema that accepts all files]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'runnerctl;completions' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;version' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;complete' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;exit-codes' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;man' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;reference' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Fleet file [default: ./runnerctl.yaml, else the user''s, else the system''s]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--pools', '--pools', [CompletionResultType]::ParameterName, 'Pool file or folder of pool files [default: `pools` beside the fleet file]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Policy file, added to the policy of the fleet file; it can only tighten it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--allow-exec', '--allow-exec', [CompletionResultType]::ParameterName, 'Allow `exec:` secret references to run their commands')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Log steps to stderr; -vv adds requests to GARM, -vvv decisions')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'runnerctl;help' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write the files of a new fleet; ask GARM and the user for missing values')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check the pool files and the fleet file; with --online also against GARM')
            [CompletionResult]::new('plan', 'plan', [CompletionResultType]::ParameterValue, 'Show the difference between the files and GARM')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a plan that `plan --out` has saved')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply the planned changes after confirmation')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the state of the pools')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Scale the pools until stopped; serve metrics, send alerts, keep the audit log')
            [CompletionResult]::new('healthcheck', 'healthcheck', [CompletionResultType]::ParameterValue, 'Ask a running `watch` whether it is healthy, for a container or a script')
            [CompletionResult]::new('audit', 'audit', [CompletionResultType]::ParameterValue, 'Show or verify the audit log')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Print unmanaged pools as YAML with `adopt`')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Run a demonstration on a simulated GARM, in seconds')
            [CompletionResult]::new('sandbox', 'sandbox', [CompletionResultType]::ParameterValue, 'Serve a simulated GARM on this machine for trying out the commands')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a pool field or a key of the fleet file')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of a file or of a JSON output')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Print the version')
            [CompletionResult]::new('complete', 'complete', [CompletionResultType]::ParameterValue, 'Print the names that may end a command line, for the completion scripts')
            [CompletionResult]::new('exit-codes', 'exit-codes', [CompletionResultType]::ParameterValue, 'List the exit codes')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page')
            [CompletionResult]::new('reference', 'reference', [CompletionResultType]::ParameterValue, 'Print the reference of the pool files or of the fleet file')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'runnerctl;help;init' {
            break
        }
        'runnerctl;help;validate' {
            break
        }
        'runnerctl;help;plan' {
            break
        }
        'runnerctl;help;show' {
            break
        }
        'runnerctl;help;apply' {
            break
        }
        'runnerctl;help;status' {
            break
        }
        'runnerctl;help;watch' {
            break
        }
        'runnerctl;help;healthcheck' {
            break
        }
        'runnerctl;help;audit' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print records: who did what and when, or the life of one runner; verifies nothing')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify the hash chain over rotated files; report the first bad record and missing parts')
            break
        }
        'runnerctl;help;audit;show' {
            break
        }
        'runnerctl;help;audit;verify' {
            break
        }
        'runnerctl;help;import' {
            break
        }
        'runnerctl;help;demo' {
            break
        }
        'runnerctl;help;sandbox' {
            break
        }
        'runnerctl;help;explain' {
            break
        }
        'runnerctl;help;schema' {
            break
        }
        'runnerctl;help;completions' {
            break
        }
        'runnerctl;help;version' {
            break
        }
        'runnerctl;help;complete' {
            break
        }
        'runnerctl;help;exit-codes' {
            break
        }
        'runnerctl;help;man' {
            break
        }
        'runnerctl;help;reference' {
            break
        }
        'runnerctl;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
