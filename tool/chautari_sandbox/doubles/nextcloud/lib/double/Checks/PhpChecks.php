<?php

declare(strict_types=1);

namespace NextcloudDouble\Checks;

use NextcloudDouble\Kernel;

/** PHP and its modules. */
final class PhpChecks
{
    private const REQUIRED = [
        'ctype', 'curl', 'dom', 'fileinfo', 'gd', 'mbstring', 'openssl', 'posix', 'session', 'xml', 'xmlreader',
        'xmlwriter', 'zip', 'zlib',
    ];
    private const RECOMMENDED = ['exif', 'gmp', 'intl', 'sodium', 'sysvsem'];

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return array<string, array{string, string, \Closure(): Result}> */
    public function checks(): array
    {
        return [
            'PhpModules' => ['php', 'PHP modules', $this->modules(...)],
            'PhpMemoryLimit' => ['php', 'PHP memory limit', $this->memoryLimit(...)],
            'PhpOpcacheSetup' => ['php', 'PHP opcache', $this->opcache(...)],
            'PhpApcuConfig' => ['php', 'PHP APCu configuration', $this->apcu(...)],
            'PhpDefaultCharset' => ['php', 'PHP default charset', static fn (): Result =>
                strtolower((string)ini_get('default_charset')) === 'utf-8' ? Result::success('UTF-8')
                    : Result::warning('PHP configuration option "default_charset" should be UTF-8')],
            'PhpFreetypeSupport' => ['php', 'Freetype', static fn (): Result => function_exists('imagettfbbox')
                ? Result::success('Supported')
                : Result::info('Your PHP does not have FreeType support, resulting in breakage of profile pictures.')],
            'PhpGetEnv' => ['php', 'PHP getenv', static fn (): Result => getenv('PATH') !== false
                ? Result::success()
                : Result::warning('PHP does not seem to be setup properly to query system environment variables.')],
            'PhpOutputBuffering' => ['php', 'PHP "output_buffering" option', static fn (): Result =>
                in_array(strtolower((string)ini_get('output_buffering')), ['', '0', 'off'], true) || PHP_SAPI === 'cli'
                    ? Result::success('Disabled')
                    : Result::error('PHP configuration option "output_buffering" must be disabled')],
            'PhpDisabledFunctions' => ['php', 'PHP set_time_limit', static fn (): Result =>
                function_exists('set_time_limit') ? Result::success('The function is available.')
                    : Result::warning('The PHP function "set_time_limit" is not available.')],
            'PhpMaxFileSize' => ['php', 'PHP file size upload limit', $this->uploadLimit(...)],
            'PhpOutdated' => ['security', 'PHP version', static fn (): Result =>
                Result::success('You are currently running PHP ' . PHP_VERSION . '.')],
            'RandomnessSecure' => ['security', 'Random generator', static fn (): Result =>
                Result::success(strlen(random_bytes(2)) === 2 ? 'Secure' : null)],
            'SystemIs64bit' => ['system', 'Architecture', static fn (): Result => PHP_INT_SIZE === 8
                ? Result::success('64-bit') : Result::warning('It seems like you are running a 32-bit PHP version.')],
        ];
    }

    private function modules(): Result
    {
        $absent = static fn (string $module): bool => !extension_loaded($module);
        $missing = array_filter(self::REQUIRED, $absent);
        if ($missing !== []) {
            return Result::error(
                'This instance is missing some required PHP modules. It is required to install them: '
                . implode(', ', $missing)
            );
        }
        $wanted = array_filter(self::RECOMMENDED, $absent);
        return $wanted === [] ? Result::success() : Result::info(
            "This instance is missing some recommended PHP modules:\n- " . implode("\n- ", $wanted)
        );
    }

    private function memoryLimit(): Result
    {
        $limit = ini_parse_quantity((string)ini_get('memory_limit'));
        return $limit < 0 || $limit >= 512 * 1024 * 1024
            ? Result::success((string)ini_get('memory_limit'))
            : Result::error('The PHP memory limit is below the recommended value of 512 MB.');
    }

    private function uploadLimit(): Result
    {
        $limit = ini_parse_quantity((string)ini_get('upload_max_filesize'));
        return $limit >= 16 * 1024 * 1024 || PHP_SAPI === 'cli' ? Result::success((string)ini_get('upload_max_filesize'))
            : Result::warning('The PHP upload_max_filesize is too low. A size of at least 16 MB is recommended.');
    }

    private function opcache(): Result
    {
        if (PHP_SAPI === 'cli' && !ini_get('opcache.enable_cli')) {
            return Result::success('Checking from CLI, OPcache checks have been skipped.');
        }
        $advice = [];
        if ((int)ini_get('opcache.interned_strings_buffer') < 16) {
            $advice[] = 'The OPcache interned strings buffer is nearly full, raise opcache.interned_strings_buffer';
        }
        if ((int)ini_get('opcache.max_accelerated_files') < 10000) {
            $advice[] = 'The maximum number of OPcache keys is nearly exceeded, raise opcache.max_accelerated_files';
        }
        if (!ini_get('opcache.save_comments')) {
            return Result::error('OPcache is configured to remove code comments; opcache.save_comments=1 must be set.');
        }
        return $advice === [] ? Result::success('Correctly configured') : Result::warning(
            'The PHP OPcache module is not properly configured. ' . implode("\n", $advice)
        );
    }

    private function apcu(): Result
    {
        $wanted = str_ends_with($this->kernel->config->string('memcache.local'), 'APCu');
        if (!$wanted || !extension_loaded('apcu') || !apcu_enabled()) {
            return Result::success();
        }
        $memory = apcu_sma_info(true);
        $used = 1 - $memory['avail_mem'] / ($memory['num_seg'] * $memory['seg_size']);
        return $used < 0.9 ? Result::success()
            : Result::warning('Your APCu cache is almost full, consider increasing the apc.shm_size php setting.');
    }
}
