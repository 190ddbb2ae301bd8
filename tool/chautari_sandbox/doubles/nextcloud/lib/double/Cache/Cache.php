<?php

declare(strict_types=1);

namespace NextcloudDouble\Cache;

/** A place for values that may be lost. */
interface Cache
{
    public function get(string $key): mixed;

    public function set(string $key, mixed $value, int $seconds): bool;

    /** Stores only when the key is free, and says whether it was. */
    public function add(string $key, mixed $value, int $seconds): bool;

    public function increase(string $key, int $seconds): int;

    public function remove(string $key): void;
}
