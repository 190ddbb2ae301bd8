<?php

declare(strict_types=1);

namespace NextcloudDouble\Cache;

/** The cache that all PHP processes share. */
final class RedisCache implements Cache
{
    public function __construct(private readonly \Redis $redis, private readonly string $prefix)
    {
    }

    public function get(string $key): mixed
    {
        $value = $this->redis->get($this->prefix . $key);
        return $value === false ? null : json_decode($value, true);
    }

    public function set(string $key, mixed $value, int $seconds): bool
    {
        return (bool)$this->redis->setex($this->prefix . $key, $seconds, json_encode($value));
    }

    public function add(string $key, mixed $value, int $seconds): bool
    {
        return (bool)$this->redis->set($this->prefix . $key, json_encode($value), ['nx', 'ex' => $seconds]);
    }

    public function increase(string $key, int $seconds): int
    {
        $count = (int)$this->redis->incr($this->prefix . $key);
        if ($count === 1) {
            $this->redis->expire($this->prefix . $key, $seconds);
        }
        return $count;
    }

    public function remove(string $key): void
    {
        $this->redis->del($this->prefix . $key);
    }
}
