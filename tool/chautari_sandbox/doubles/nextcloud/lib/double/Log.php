<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** nextcloud.log: one JSON object a line. */
final class Log
{
    public const DEBUG = 0;
    public const INFO = 1;
    public const WARN = 2;
    public const ERROR = 3;

    public readonly string $file;

    public function __construct(private readonly Config $config, string $root)
    {
        $data = $config->string('datadirectory', $root . '/data');
        $this->file = $config->string('logfile', $data . '/nextcloud.log');
    }

    public function write(int $level, string $message, string $app = 'core'): void
    {
        if (!$this->config->bool('installed') || $level < (int)$this->config->get('loglevel', self::WARN)) {
            return;
        }
        $line = json_encode([
            'reqId' => $_SERVER['UNIQUE_ID'] ?? Secrets::word(20),
            'level' => $level,
            'time' => date(DATE_ATOM),
            'remoteAddr' => $_SERVER['REMOTE_ADDR'] ?? '',
            'user' => '--',
            'app' => $app,
            'method' => $_SERVER['REQUEST_METHOD'] ?? '',
            'url' => $_SERVER['REQUEST_URI'] ?? '--',
            'message' => $message,
            'version' => $this->config->string('version'),
        ], JSON_UNESCAPED_SLASHES);
        if ($this->config->string('log_type', 'file') !== 'file') {
            error_log("nextcloud: $line");
            return;
        }
        @file_put_contents($this->file, $line . "\n", FILE_APPEND | LOCK_EX);
        @chmod($this->file, 0640);
    }

    /** Renames a log that is larger than log_rotate_size, as upstream's job does. */
    public function rotate(): void
    {
        $limit = (int)$this->config->get('log_rotate_size', 100 * 1024 * 1024);
        if ($limit > 0 && is_file($this->file) && filesize($this->file) > $limit) {
            rename($this->file, $this->file . '.1');
        }
    }
}
