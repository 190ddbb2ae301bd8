<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Holds the parts of the application and makes each when it is first asked for. */
final class Kernel
{
    public readonly Config $config;
    public readonly Release $release;
    public readonly Log $log;

    /** @var array<class-string, object> */
    private array $parts = [];

    private function __construct(public readonly string $root)
    {
        $directory = getenv('NEXTCLOUD_CONFIG_DIR') ?: $root . '/config';
        $this->config = new Config(rtrim($directory, '/'));
        $this->release = new Release($root);
        $this->log = new Log($this->config, $root);
    }

    public static function boot(string $root): self
    {
        $kernel = new self($root);
        $kernel->requireWritableConfig();
        if (!$kernel->config->get('instanceid') && $kernel->config->canInstall()) {
            $kernel->config->set('instanceid', 'oc' . Secrets::word(10, 'abcdefghijklmnopqrstuvwxyz0123456789'));
        }
        $kernel->loadSettingsApp();
        date_default_timezone_set('UTC');
        mb_internal_encoding('UTF-8');
        return $kernel;
    }

    /**
     * @template T of object
     * @param class-string<T> $class
     * @return T
     */
    public function get(string $class): object
    {
        return $this->parts[$class] ??= new $class($this);
    }

    public function installed(): bool
    {
        return $this->config->bool('installed');
    }

    public function maintenance(): bool
    {
        return $this->config->bool('maintenance');
    }

    public function dataDirectory(): string
    {
        return $this->config->string('datadirectory', $this->root . '/data');
    }

    /** Whether the code (or an enabled app) is newer than the database; refuses older code. */
    public function needsUpgrade(): bool
    {
        if (!$this->installed()) {
            return false;
        }
        $installed = $this->config->string('version', '0.0.0');
        $difference = version_compare($this->release->version, $installed);
        if ($difference < 0) {
            throw new HintException(
                'Downgrading is not supported and is likely to cause unpredictable issues (from '
                . "$installed to {$this->release->version})"
            );
        }
        return $difference > 0 || $this->get(Apps::class)->outdated() !== [];
    }

    /** @return array<string, bool|string> */
    public function status(): array
    {
        return [
            'installed' => $this->installed(),
            'version' => $this->release->version,
            'versionstring' => $this->release->string,
            'edition' => $this->release->edition,
            'maintenance' => $this->maintenance(),
            'needsDbUpgrade' => $this->needsUpgrade(),
            'productname' => 'Nextcloud (double)',
            'extendedSupport' => false,
        ];
    }

    public function requireConfigOwner(bool $advice = false): void
    {
        clearstatcache();
        $user = posix_getuid();
        $owner = fileowner($this->config->file);
        if ($user === $owner) {
            return;
        }
        echo 'Console has to be executed with the user that owns the file config/config.php' . PHP_EOL;
        echo "Current user id: $user" . PHP_EOL . "Owner id of config.php: $owner" . PHP_EOL;
        if ($advice) {
            echo "Try adding 'sudo -u #$owner' to the beginning of the command (without the single quotes)" . PHP_EOL;
        }
        exit(1);
    }

    /** Each start of upstream runs code of this app, and that of another release calls what is not there. */
    private function loadSettingsApp(): void
    {
        $path = $this->installed() ? $this->get(Apps::class)->path('settings') : null;
        if ($path !== null && realpath($path) !== realpath($this->root . '/apps/settings')) {
            throw new \Error("Call to undefined method OC\\Server::getURLGenerator() in $path/lib/AppInfo/Application.php");
        }
    }

    private function requireWritableConfig(): void
    {
        $file = $this->config->file;
        if (!file_exists($file)) {
            @touch($file);
        }
        if (is_writable($file) || $this->config->bool('config_is_read_only')) {
            return;
        }
        if (PHP_SAPI === 'cli' && file_exists($file)) {
            $this->requireConfigOwner(true);
        }
        $advice = 'This can usually be fixed by giving the web server write access to the config directory.';
        if (PHP_SAPI !== 'cli') {
            http_response_code(503);
        }
        echo 'Cannot write into "config" directory!' . "\n$advice\n";
        exit;
    }
}
