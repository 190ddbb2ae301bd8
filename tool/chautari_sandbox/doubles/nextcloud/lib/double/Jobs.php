<?php

declare(strict_types=1);

namespace NextcloudDouble;

use NextcloudDouble\Federation\AddressBooks;
use NextcloudDouble\Federation\Handshake;
use NextcloudDouble\Federation\Notifications;

/** Background jobs, under the class names that upstream gives them. */
final class Jobs
{
    public const DAILY = 86400;
    private const RESET = 'OC\Security\VerificationToken\CleanUpJob';
    private const SHIPPED = [
        'OC\Authentication\Token\TokenCleanupJob' => 60,
        'OC\Log\Rotate' => 300,
        'OC\Preview\BackgroundCleanupJob' => self::DAILY,
        'OC\TaskProcessing\RemoveOldTasksBackgroundJob' => self::DAILY,
        'OC\User\BackgroundJobs\CleanupDeletedUsers' => self::DAILY,
        'OCA\Files\BackgroundJob\CleanupFileLocks' => 300,
        'OCA\Federation\SyncJob' => self::DAILY,
        'OCA\Activity\BackgroundJob\EmailNotification' => 0,
        'OCA\Notifications\BackgroundJob\SendNotificationMails' => 0,
    ];
    private const HALF_DAY = 12 * 3600;

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function install(): void
    {
        foreach (array_keys(self::SHIPPED) as $class) {
            $this->add($class, null);
        }
    }

    public function addResetCleanup(string $uid): void
    {
        $this->add(self::RESET, json_encode(['userId' => $uid, 'subject' => 'lostpassword', 'notBefore' => time() + 604800 * 2]));
    }

    /** Puts a job on the list, due at once; one that is there already becomes due again. */
    public function add(string $class, mixed $argument): void
    {
        $known = $this->database->rows(
            'UPDATE *PREFIX*jobs SET reserved_at = 0, last_checked = ?, last_run = 0 WHERE class = ? AND argument = ? RETURNING id',
            [time(), $class, json_encode($argument)],
        );
        if ($known === []) {
            $this->database->rows(
                'INSERT INTO *PREFIX*jobs (class, argument, last_checked) VALUES (?, ?, ?)',
                [$class, json_encode($argument), time()],
            );
        }
    }

    /** @param array<string, mixed> $job */
    public function remove(array $job): void
    {
        $this->database->rows('DELETE FROM *PREFIX*jobs WHERE id = ?', [(int)$job['id']]);
    }

    /**
     * Reserves the job that waits longest, as cron takes them one after the other; null when none is due.
     *
     * A job that is put back on the list while cron runs is due at once. As upstream, the jobs without an interval come
     * before it a second time and end the run.
     *
     * @param list<string> $classes None means all.
     * @return array<string, mixed>|null
     */
    public function next(array $classes): ?array
    {
        while (true) {
            $now = time();
            $filter = $classes === [] ? '' : 'AND class IN (' . implode(', ', array_fill(0, count($classes), '?')) . ')';
            $job = $this->database->rows(
                "SELECT * FROM *PREFIX*jobs WHERE reserved_at <= ? AND last_checked <= ? $filter
                ORDER BY last_checked, id LIMIT 1",
                [$now - self::HALF_DAY, $now, ...$classes],
            )[0] ?? null;
            if ($job === null) {
                return null;
            }
            $due = (int)$job['last_run'] + (self::SHIPPED[$job['class']] ?? 0);
            $reserved = $this->database->rows(
                'UPDATE *PREFIX*jobs SET reserved_at = ?, last_checked = ? WHERE id = ? AND reserved_at = ? AND last_checked = ?
                RETURNING id',
                [$due <= $now ? $now : (int)$job['reserved_at'], $due <= $now ? $now : min($due, $now + 2 * self::DAILY),
                    (int)$job['id'], (int)$job['reserved_at'], (int)$job['last_checked']],
            );
            if ($due <= $now && $reserved !== []) {
                return $job;
            }
        }
    }

    /** @param array<string, mixed> $job */
    public function release(array $job): void
    {
        $this->database->rows('UPDATE *PREFIX*jobs SET reserved_at = 0 WHERE id = ?', [(int)$job['id']]);
    }

    /** @return list<array<string, mixed>> */
    public function list(?string $class = null, int $limit = 500, int $offset = 0): array
    {
        return $this->database->rows(
            'SELECT * FROM *PREFIX*jobs WHERE class LIKE ? ORDER BY id LIMIT ? OFFSET ?',
            [$class === null ? '%' : addcslashes($class, '%_\\'), $limit, $offset],
        );
    }

    /** @return array<string, mixed>|null */
    public function job(int $id): ?array
    {
        return $this->database->rows('SELECT * FROM *PREFIX*jobs WHERE id = ?', [$id])[0] ?? null;
    }

    /** @param array<string, mixed> $job */
    public function due(array $job): bool
    {
        return (int)$job['last_run'] + (self::SHIPPED[$job['class']] ?? 0) <= time()
            && (int)$job['reserved_at'] < time() - self::HALF_DAY;
    }

    /** @param array<string, mixed> $job */
    public function run(array $job): void
    {
        $start = time();
        $this->database->rows(
            'UPDATE *PREFIX*jobs SET reserved_at = ?, last_checked = ? WHERE id = ?',
            [$start, $start, (int)$job['id']],
        );
        try {
            $this->work($job);
        } catch (\Throwable $error) {
            $this->kernel->log->write(Log::ERROR, "Error while running background job {$job['class']}: {$error->getMessage()}");
        }
        $this->database->rows(
            'UPDATE *PREFIX*jobs SET reserved_at = 0, last_run = ?, execution_duration = ? WHERE id = ?',
            [$start, time() - $start, (int)$job['id']],
        );
        $this->kernel->get(AppConfig::class)->set('backgroundjob', 'lastjob', (string)$job['id']);
    }

    /** @param array<string, mixed> $job */
    private function work(array $job): void
    {
        match ($job['class']) {
            'OC\Authentication\Token\TokenCleanupJob' => $this->database->rows(
                'DELETE FROM *PREFIX*authtoken WHERE type = 0 AND last_activity < ?',
                [time() - (int)$this->kernel->config->get('session_lifetime', self::DAILY)],
            ),
            'OC\Log\Rotate' => $this->kernel->log->rotate(),
            'OCA\Files\BackgroundJob\CleanupFileLocks' => $this->database->rows(
                'DELETE FROM *PREFIX*file_locks WHERE ttl < ?',
                [time()],
            ),
            self::RESET => $this->forgetReset($job),
            Handshake::REQUEST, Handshake::FETCH => $this->kernel->get(Handshake::class)->run($job),
            Notifications::RETRY => $this->kernel->get(Notifications::class)->retry($job),
            'OCA\Federation\SyncJob' => $this->kernel->get(AddressBooks::class)->sync(false),
            default => null,
        };
    }

    /** @param array<string, mixed> $job */
    private function forgetReset(array $job): void
    {
        $argument = (array)json_decode((string)json_decode((string)$job['argument']), true);
        if (($argument['notBefore'] ?? 0) > time()) {
            return;
        }
        $this->kernel->get(Preferences::class)->delete((string)$argument['userId'], 'core', (string)$argument['subject']);
        $this->remove($job);
    }
}
