<?php

declare(strict_types=1);

namespace NextcloudDouble\Cache;

/** The cache of one PHP process group. */
final class Apcu implements Cache
{
    public function __construct(private readonly string $prefix)
    {
    }

    public function get(string $key): mixed
    {
        $value = apcu_fetch($this->prefix . $key, $found);
        return $found ? $value : null;
    }

    public function set(string $key, mixed $value, int $seconds): bool
    {
        return apcu_store($this->prefix . $key, $value, $seconds);
    }

    public function add(string $key, mixed $value, int $seconds): bool
    {
        return apcu_add($this->prefix . $key, $value, $seconds);
    }

    public function increase(string $key, int $seconds): int
    {
        return (int)apcu_inc($this->prefix . $key, 1, $done, $seconds);
    }

    public function remove(string $key): void
    {
        apcu_delete($this->prefix . $key);
    }
}
