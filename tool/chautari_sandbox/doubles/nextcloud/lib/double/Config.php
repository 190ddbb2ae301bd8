<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** config.php and its *.config.php companions, read and written as upstream does. */
final class Config
{
    private const SENSITIVE = [
        'instanceid', 'datadirectory', 'dbname', 'dbhost', 'dbpassword', 'dbuser', 'mail_from_address',
        'mail_domain', 'mail_smtphost', 'mail_smtpname', 'mail_smtppassword', 'passwordsalt', 'secret',
        'updater.secret', 'trusted_proxies', 'proxyuserpwd',
    ];

    /** @var array<string, mixed> */
    private array $values = [];

    public readonly string $file;

    public function __construct(private readonly string $directory)
    {
        $this->file = $directory . '/config.php';
        $this->read();
    }

    /** @return list<string> */
    public function keys(): array
    {
        return array_map(strval(...), array_keys($this->values));
    }

    public function get(string $key, mixed $default = null): mixed
    {
        return $this->values[$key] ?? $default;
    }

    public function string(string $key, string $default = ''): string
    {
        return (string)($this->values[$key] ?? $default);
    }

    public function bool(string $key, bool $default = false): bool
    {
        return (bool)($this->values[$key] ?? $default);
    }

    /** The value as `config:list` shows it without --private. */
    public function filtered(string $key): mixed
    {
        $value = $this->get($key);
        if (in_array($key, self::SENSITIVE, true)) {
            return '***REMOVED SENSITIVE VALUE***';
        }
        foreach ($key === 'redis' && is_array($value) ? ['host', 'password'] : [] as $part) {
            if (isset($value[$part])) {
                $value[$part] = '***REMOVED SENSITIVE VALUE***';
            }
        }
        return $value;
    }

    public function set(string $key, mixed $value): void
    {
        $this->setAll([$key => $value]);
    }

    /**
     * Sets every key; null deletes it. The file is written only when something changed.
     *
     * @param array<string, mixed> $values
     */
    public function setAll(array $values): void
    {
        $before = $this->values;
        foreach ($values as $key => $value) {
            if ($value === null) {
                unset($this->values[$key]);
            } else {
                $this->values[$key] = $value;
            }
        }
        if ($this->values !== $before) {
            $this->write();
        }
    }

    public function canInstall(): bool
    {
        return is_file($this->directory . '/CAN_INSTALL');
    }

    public function finishInstall(): bool
    {
        return !$this->canInstall() || @unlink($this->directory . '/CAN_INSTALL');
    }

    private function read(): void
    {
        $extra = glob($this->directory . '/*.config.php') ?: [];
        natsort($extra);
        foreach ([$this->file, ...$extra] as $file) {
            if (!is_readable($file)) {
                if ($file === $this->file) {
                    continue;
                }
                http_response_code(500);
                die(sprintf('FATAL: Could not open the config file %s', $file));
            }
            $this->values = array_merge($this->values, self::include($file));
        }
    }

    /** @return array<string, mixed> */
    private static function include(string $file): array
    {
        if (function_exists('opcache_invalidate')) {
            @opcache_invalidate($file, false);
        }
        $lock = fopen($file, 'r');
        flock($lock, LOCK_SH);
        $CONFIG = [];
        include $file;
        flock($lock, LOCK_UN);
        fclose($lock);
        return is_array($CONFIG) ? $CONFIG : [];
    }

    private function write(): void
    {
        if ($this->bool('config_is_read_only')) {
            throw new HintException('Config is set to be read-only via option "config_is_read_only".');
        }
        if (!$this->canInstall() && !isset($this->values['version'])) {
            throw new HintException(
                'Configuration was not read or initialized correctly, not overwriting ' . $this->file
            );
        }
        @touch($this->file);
        $handle = @fopen($this->file, 'r+');
        if ($handle === false) {
            throw new HintException("Can't write into config directory!");
        }
        @chmod($this->file, 0640);
        flock($handle, LOCK_EX);
        ftruncate($handle, 0);
        fwrite($handle, "<?php\n\$CONFIG = " . var_export($this->values, true) . ";\n");
        fflush($handle);
        flock($handle, LOCK_UN);
        fclose($handle);
        if (function_exists('opcache_invalidate')) {
            @opcache_invalidate($this->file, true);
        }
    }
}
