<?php

declare(strict_types=1);

namespace NextcloudDouble;

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
        self::RESET => 0,
    ];

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function install(): void
    {
        foreach (array_keys(self::SHIPPED) as $class) {
            if ($class !== self::RESET) {
                $this->add($class, null);
            }
        }
    }

    public function addResetCleanup(string $uid): void
    {
        $this->add(self::RESET, json_encode(['userId' => $uid, 'subject' => 'lostpassword', 'notBefore' => time() + 604800 * 2]));
    }

    private function add(string $class, mixed $argument): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*jobs (class, argument) SELECT ?, ? WHERE NOT EXISTS
            (SELECT 1 FROM *PREFIX*jobs WHERE class = ? AND argument = ?)',
            [$class, json_encode($argument), $class, json_encode($argument)],
        );
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
        return (int)$job['last_run'] + (self::SHIPPED[$job['class']] ?? 900) <= time()
            && (int)$job['reserved_at'] < time() - 12 * 3600;
    }

    /** @param array<string, mixed> $job */
    public function run(array $job): void
    {
        $start = time();
        $this->database->rows(
            'UPDATE *PREFIX*jobs SET reserved_at = ?, last_checked = ? WHERE id = ?',
            [$start, $start, (int)$job['id']],
        );
        $this->work((string)$job['class'], json_decode((string)$job['argument'], true));
        $this->database->rows(
            'UPDATE *PREFIX*jobs SET reserved_at = 0, last_run = ?, execution_duration = ? WHERE id = ?',
            [$start, time() - $start, (int)$job['id']],
        );
        $this->kernel->get(AppConfig::class)->set('backgroundjob', 'lastjob', (string)$job['id']);
    }

    private function work(string $class, mixed $argument): void
    {
        match ($class) {
            'OC\Authentication\Token\TokenCleanupJob' => $this->database->rows(
                'DELETE FROM *PREFIX*authtoken WHERE last_activity < ?',
                [time() - (int)$this->kernel->config->get('session_lifetime', self::DAILY)],
            ),
            'OC\Log\Rotate' => $this->kernel->log->rotate(),
            'OCA\Files\BackgroundJob\CleanupFileLocks' => $this->database->rows(
                'DELETE FROM *PREFIX*file_locks WHERE ttl < ?',
                [time()],
            ),
            self::RESET => $this->forgetReset((array)json_decode((string)$argument, true), (string)$argument),
            default => null,
        };
    }

    /** @param array<string, mixed> $argument */
    private function forgetReset(array $argument, string $stored): void
    {
        if (($argument['notBefore'] ?? 0) > time()) {
            return;
        }
        $this->kernel->get(Preferences::class)->delete((string)$argument['userId'], 'core', (string)$argument['subject']);
        $this->database->rows(
            'DELETE FROM *PREFIX*jobs WHERE class = ? AND argument = ?',
            [self::RESET, json_encode($stored)],
        );
    }
}
