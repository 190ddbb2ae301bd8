<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Exclusive locks on files while they change: in Redis when configured, else in the table file_locks. */
final class Locks
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /**
     * Runs the action while the file is locked; null when another request holds the lock.
     *
     * @template T
     * @param \Closure(): T $action
     * @return T|null
     */
    public function hold(string $path, \Closure $action): mixed
    {
        if (!$this->kernel->config->bool('filelocking.enabled', true)) {
            return $action();
        }
        $key = 'files/' . md5($path);
        if (!$this->take($key)) {
            return null;
        }
        try {
            return $action();
        } finally {
            $this->release($key);
        }
    }

    private function take(string $key): bool
    {
        $ttl = (int)$this->kernel->config->get('filelocking.ttl', 3600);
        $cache = $this->kernel->get(Caches::class)->locking();
        if ($cache !== null) {
            return $cache->add($key, 'exclusive', $ttl);
        }
        $database = $this->kernel->get(Database::class);
        $database->rows('DELETE FROM *PREFIX*file_locks WHERE ttl < ?', [time()]);
        return $database->rows(
            'INSERT INTO *PREFIX*file_locks (key, ttl) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id',
            [$key, time() + $ttl],
        ) !== [];
    }

    private function release(string $key): void
    {
        $cache = $this->kernel->get(Caches::class)->locking();
        if ($cache !== null) {
            $cache->remove($key);
            return;
        }
        $this->kernel->get(Database::class)->rows('DELETE FROM *PREFIX*file_locks WHERE key = ?', [$key]);
    }
}
