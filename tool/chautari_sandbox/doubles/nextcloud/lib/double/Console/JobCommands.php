<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Jobs;

/** Background jobs. */
final class JobCommands extends Group
{
    public function commands(): array
    {
        $commands = [
            new Command('background-job:list', 'List background jobs', $this->list(...), [], [
                'class|c' => 'optional', 'limit|l' => 'optional=500', 'offset|o' => 'optional=0',
            ] + self::OUTPUT),
            new Command('background-job:execute', 'Execute a single background job manually', $this->execute(...), [
                'job-id' => 'required',
            ], ['force-execute' => 'flag']),
            new Command('background-job:delete', 'Remove a background job from database', $this->delete(...), [
                'job-id' => 'required',
            ]),
        ];
        foreach (['cron', 'ajax', 'webcron'] as $mode) {
            $commands[] = new Command(
                "background:$mode",
                'Use cron, ajax or webcron to run background jobs',
                function (Input $input, Output $output) use ($mode): int {
                    $this->kernel->get(AppConfig::class)->set('core', 'backgroundjobs_mode', $mode);
                    $output->line("Set mode for background jobs to '$mode'");
                    return 0;
                },
            );
        }
        return $commands;
    }

    private function list(Input $input, Output $output): int
    {
        $jobs = $this->kernel->get(Jobs::class)->list(
            $input->option('class'),
            (int)$input->option('limit'),
            (int)$input->option('offset'),
        );
        $output->table($input, array_map(static fn (array $job): array => [
            'id' => (string)$job['id'],
            'class' => $job['class'],
            'last_run' => date(DATE_ATOM, (int)$job['last_run']),
            'argument' => $job['argument'],
        ], $jobs));
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        $jobs = $this->kernel->get(Jobs::class);
        $id = (int)$input->argument('job-id');
        $job = $jobs->job($id);
        if ($job === null) {
            $output->line("Job with ID $id could not be found in the database");
            return 1;
        }
        $output->line("Job class: {$job['class']}");
        $output->line("Arguments: {$job['argument']}");
        $question = 'Do you really want to delete this background job ? It could create some misbehaviours in Nextcloud. (y/N) ';
        if ($input->flag('no-interaction') || !preg_match('/^y/i', (string)$this->ask($question))) {
            $output->line('aborted.');
            return 0;
        }
        $jobs->remove($job);
        return 0;
    }

    private function execute(Input $input, Output $output): int
    {
        $jobs = $this->kernel->get(Jobs::class);
        $id = (int)$input->argument('job-id');
        $job = $jobs->job($id);
        if ($job === null) {
            $output->line("Job with ID $id could not be found in the database");
            return 1;
        }
        if (!$input->flag('force-execute') && !$jobs->due($job)) {
            $output->line('Job was not executed because it is not due');
            return 0;
        }
        $jobs->run($job);
        $output->line('Job executed!');
        return 0;
    }
}
