<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Counts attempts in the distributed cache, so that guessing and flooding are slowed down or refused. */
final class Throttle
{
    private const WINDOW = 1800;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    public function failed(string $action): void
    {
        if ($this->kernel->config->bool('auth.bruteforce.protection.enabled', true)) {
            $this->kernel->get(Caches::class)->distributed()->increase("bruteforce/$action/" . $this->network(), 1800);
        }
    }

    /** Sleeps a little after failures: 100 ms doubled with each, 5 s at most. */
    public function delay(string $action): void
    {
        $key = "bruteforce/$action/" . $this->network();
        $count = (int)$this->kernel->get(Caches::class)->distributed()->get($key);
        if ($count > 0) {
            usleep(min(5_000_000, 100_000 * 2 ** min($count, 10)));
        }
    }

    public function succeeded(string $action): void
    {
        $this->kernel->get(Caches::class)->distributed()->remove("bruteforce/$action/" . $this->network());
    }

    public function allowed(string $action, string $who, int $limit, int $seconds): bool
    {
        if (!$this->kernel->config->bool('ratelimit.protection.enabled', true)) {
            return true;
        }
        $cache = $this->kernel->get(Caches::class)->distributed();
        return $cache->increase('ratelimit/' . md5("$action/$who"), $seconds) <= $limit;
    }

    /** Counts a refused request of this action; of more than `auth.bruteforce.max-attempts` in 30 minutes none is heard. */
    public function register(string $action): void
    {
        if ($this->kernel->config->bool('auth.bruteforce.protection.enabled', true)) {
            $attempts = [...$this->recent($action), time()];
            $this->kernel->get(Caches::class)->distributed()->set($this->key($action), $attempts, self::WINDOW);
        }
    }

    public function blocks(string $action): bool
    {
        return count($this->recent($action)) > (int)$this->kernel->config->get('auth.bruteforce.max-attempts', 10);
    }

    /** @return list<int> */
    private function recent(string $action): array
    {
        $attempts = (array)$this->kernel->get(Caches::class)->distributed()->get($this->key($action));
        return array_values(array_filter($attempts, static fn (mixed $time): bool => (int)$time > time() - self::WINDOW));
    }

    private function key(string $action): string
    {
        return "bruteforce-times/$action/" . $this->network();
    }

    public function network(): string
    {
        return $_SERVER['REMOTE_ADDR'] ?? 'local';
    }
}
