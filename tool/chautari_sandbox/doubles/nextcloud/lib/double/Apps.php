<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** The apps in the apps folders, and which of them are enabled. */
final class Apps
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return list<string> */
    public function folders(): array
    {
        $paths = array_column((array)$this->kernel->config->get('apps_paths', []), 'path');
        $paths = $paths === [] ? [$this->kernel->root . '/apps'] : $paths;
        foreach ($paths as $path) {
            if (!is_dir($path)) {
                throw new \RuntimeException(
                    "App directory \"$path\" not found! Please put the Nextcloud apps folder in the Nextcloud"
                    . ' folder. You can also configure the location in the config.php file.'
                );
            }
        }
        return $paths;
    }

    /** @return list<string> */
    public function all(): array
    {
        $apps = [];
        foreach ($this->folders() as $folder) {
            foreach (glob("$folder/*/appinfo/info.xml") ?: [] as $file) {
                $apps[] = basename(dirname($file, 2));
            }
        }
        sort($apps);
        return array_values(array_unique($apps));
    }

    public function path(string $app): ?string
    {
        foreach ($this->folders() as $folder) {
            if (is_file("$folder/$app/appinfo/info.xml")) {
                return "$folder/$app";
            }
        }
        return null;
    }

    public function shipped(string $app): bool
    {
        return is_file($this->kernel->root . "/apps/$app/appinfo/info.xml");
    }

    public function info(string $app): ?\SimpleXMLElement
    {
        $path = $this->path($app);
        $cache = $this->kernel->get(Caches::class)->local();
        $file = "$path/appinfo/info.xml";
        $key = $path === null ? '' : 'app-info:' . $file . ':' . filemtime($file);
        $xml = $path === null ? null : ($cache->get($key) ?? file_get_contents($file));
        if (!is_string($xml)) {
            return null;
        }
        $cache->set($key, $xml, 3600);
        return simplexml_load_string($xml) ?: null;
    }

    public function version(string $app): string
    {
        return (string)($this->info($app)->version ?? '0');
    }

    /** @return array<string, string> */
    public function installedVersions(): array
    {
        return $this->kernel->get(AppConfig::class)->across('installed_version');
    }

    public function enabled(string $app): bool
    {
        return ($this->kernel->get(AppConfig::class)->get($app, 'enabled') ?? 'no') !== 'no';
    }

    /** @return list<string> */
    public function enabledApps(): array
    {
        $states = $this->kernel->get(AppConfig::class)->across('enabled');
        return array_keys(array_filter($states, static fn (string $state): bool => $state !== 'no'));
    }

    /** @param list<string> $groups Groups that may use the app; none means everybody. */
    public function enable(string $app, array $groups = [], bool $force = false): void
    {
        if ($this->path($app) === null) {
            throw new HintException("Could not download app $app, it was not found on the appstore");
        }
        if (!$force && !$this->compatible($app)) {
            throw new HintException(sprintf(
                'App "%s" cannot be installed because it is not compatible with this version of the server.',
                (string)($this->info($app)->name ?? $app),
            ));
        }
        $config = $this->kernel->get(AppConfig::class);
        $config->set($app, 'installed_version', $this->version($app), 'string');
        $config->set($app, 'types', implode(',', $this->types($app)), 'string', true);
        $this->code($app)?->install();
        $config->set($app, 'enabled', $groups === [] ? 'yes' : json_encode($groups), 'string');
    }

    /** What an app brings for this double: an object with `install()` and `handle()`; null for most apps. */
    public function code(string $app): ?object
    {
        $file = $this->path($app) . '/double.php';
        return is_file($file) ? (require $file)($this->kernel) : null;
    }

    public function disable(string $app): void
    {
        if (in_array($app, ['files', 'dav', 'settings', 'provisioning_api', 'theming', 'workflowengine'], true)) {
            throw new HintException("$app can't be disabled.");
        }
        $this->kernel->get(AppConfig::class)->set($app, 'enabled', 'no', 'string');
    }

    public function compatible(string $app): bool
    {
        $wanted = $this->info($app)->dependencies->nextcloud ?? null;
        $major = $this->kernel->release->major;
        $lowest = (int)($wanted['min-version'] ?? 0);
        $highest = (int)($wanted['max-version'] ?? $lowest);
        return $wanted !== null && $major >= $lowest && $major <= $highest;
    }

    /** @return array<string, string> Enabled apps whose code is newer than their data, with the new version. */
    public function outdated(): array
    {
        $installed = $this->installedVersions();
        $outdated = [];
        foreach ($this->enabledApps() as $app) {
            $version = $this->version($app);
            if ($version !== '0' && version_compare($version, $installed[$app] ?? '0', '>')) {
                $outdated[$app] = $version;
            }
        }
        return $outdated;
    }

    /** @return list<string> */
    private function types(string $app): array
    {
        $types = [];
        foreach ($this->info($app)->types[0] ?? [] as $type) {
            $types[] = $type->getName();
        }
        return $types;
    }
}
