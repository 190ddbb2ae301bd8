<?php

declare(strict_types=1);

namespace NextcloudDouble;

use NextcloudDouble\Cache\Apcu;
use NextcloudDouble\Cache\Cache;
use NextcloudDouble\Cache\None;
use NextcloudDouble\Cache\RedisCache;

/** The caches that memcache.local, memcache.distributed and memcache.locking ask for. */
final class Caches
{
    private ?\Redis $redis = null;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    public function local(): Cache
    {
        return $this->make('local', $this->kernel->config->string('memcache.local'));
    }

    public function distributed(): Cache
    {
        $config = $this->kernel->config;
        return $this->make('distributed', $config->string('memcache.distributed', $config->string('memcache.local')));
    }

    public function locking(): ?Cache
    {
        $class = $this->kernel->config->string('memcache.locking');
        return $class === '' ? null : $this->make('locking', $class);
    }

    public function redis(): \Redis
    {
        if ($this->redis !== null) {
            return $this->redis;
        }
        $settings = (array)$this->kernel->config->get('redis', []);
        $redis = new \Redis();
        $host = (string)($settings['host'] ?? '127.0.0.1');
        $redis->connect($host, (int)($settings['port'] ?? ($host[0] === '/' ? 0 : 6379)), (float)($settings['timeout'] ?? 0));
        if (($settings['password'] ?? '') !== '') {
            $redis->auth(isset($settings['user']) ? [$settings['user'], $settings['password']] : $settings['password']);
        }
        if (isset($settings['dbindex'])) {
            $redis->select((int)$settings['dbindex']);
        }
        return $this->redis = $redis;
    }

    private function make(string $use, string $class): Cache
    {
        $prefix = hash('xxh128', $this->kernel->config->string('instanceid') . $this->kernel->release->version) . '/';
        switch (ltrim($class, '\\')) {
            case '':
                return new None();
            case 'OC\Memcache\APCu':
                if (extension_loaded('apcu') && apcu_enabled()) {
                    return new Apcu($prefix);
                }
                if (PHP_SAPI === 'cli') {
                    return new None();
                }
                break;
            case 'OC\Memcache\Redis':
                if (extension_loaded('redis')) {
                    return new RedisCache($this->redis(), $prefix . ($use === 'locking' ? 'lock/' : ''));
                }
        }
        throw new HintException(
            "Memcache $class not available for $use cache",
            'Is the matching PHP module installed and enabled?',
        );
    }
}
