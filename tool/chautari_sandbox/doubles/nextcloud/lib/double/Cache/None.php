<?php

declare(strict_types=1);

namespace NextcloudDouble\Cache;

/** Keeps nothing. */
final class None implements Cache
{
    public function get(string $key): mixed
    {
        return null;
    }

    public function set(string $key, mixed $value, int $seconds): bool
    {
        return true;
    }

    public function add(string $key, mixed $value, int $seconds): bool
    {
        return true;
    }

    public function increase(string $key, int $seconds): int
    {
        return 0;
    }

    public function remove(string $key): void
    {
    }
}
