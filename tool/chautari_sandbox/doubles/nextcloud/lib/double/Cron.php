<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** What cron.php does: runs the jobs that are due and writes down when. */
final class Cron
{
    private const LONGEST_RUN = 14 * 60;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @param list<string> $argv */
    public function run(array $argv): int
    {
        $kernel = $this->kernel;
        if (in_array($argv[1] ?? '', ['-h', '--help'], true)) {
            echo "Description:\n  Run the background job routine\n\nUsage:\n"
                . '  php -f cron.php -- [-h] [--verbose] [<job-classes>...]' . PHP_EOL;
            return 0;
        }
        if (!$kernel->installed()) {
            return 0;
        }
        if ($kernel->needsUpgrade() || $kernel->maintenance()) {
            $kernel->log->write(Log::DEBUG, 'We are in maintenance mode or need an upgrade, skipping cron', 'cron');
            return 0;
        }
        $config = $kernel->get(AppConfig::class);
        $mode = $config->get('core', 'backgroundjobs_mode', 'ajax');
        if ($mode === 'none') {
            echo 'Background Jobs are disabled!' . PHP_EOL;
            return 1;
        }
        if (PHP_SAPI !== 'cli') {
            return $this->runFromWeb($mode);
        }
        $kernel->requireConfigOwner();
        $config->set('core', 'backgroundjobs_mode', 'cron');
        $verbose = in_array($argv[1] ?? '', ['-v', '--verbose'], true);
        $this->work(array_slice($argv, $verbose ? 2 : 1), $verbose);
        $config->set('core', 'lastcron', (string)time(), 'integer');
        return 0;
    }

    /** @param list<string> $classes */
    private function work(array $classes, bool $verbose): void
    {
        $jobs = $this->kernel->get(Jobs::class);
        $end = time() + self::LONGEST_RUN;
        $seen = [];
        while (time() <= $end && ($job = $jobs->next($classes)) !== null) {
            if (isset($seen[$job['id']])) {
                $jobs->release($job);
                return;
            }
            $seen[$job['id']] = true;
            $name = "{$job['class']} (id: {$job['id']}, arguments: {$job['argument']})";
            $verbose && print("Starting job $name" . PHP_EOL);
            $start = time();
            $jobs->run($job);
            $verbose && print("Job $name done in " . (time() - $start) . ' seconds' . PHP_EOL);
        }
    }

    private function runFromWeb(string $mode): int
    {
        header('Content-Type: application/json; charset=utf-8');
        if ($mode === 'cron') {
            echo json_encode(['data' => ['message' => 'Backgroundjobs are using system cron!'], 'status' => 'error']);
            return 0;
        }
        $this->work([], false);
        $this->kernel->get(AppConfig::class)->set('core', 'lastcron', (string)time(), 'integer');
        echo json_encode(['status' => 'success']);
        return 0;
    }
}
