<?php

declare(strict_types=1);

namespace NextcloudDouble\Checks;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Apps;
use NextcloudDouble\Cache\Cache;
use NextcloudDouble\Caches;
use NextcloudDouble\Database;
use NextcloudDouble\Integrity;
use NextcloudDouble\Kernel;
use NextcloudDouble\Schema;

/** Configuration, database, caches and background jobs. */
final class SystemChecks
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return array<string, array{string, string, \Closure(): Result}> */
    public function checks(): array
    {
        return [
            'OverwriteCliUrl' => ['config', 'Overwrite CLI URL', $this->cliUrl(...)],
            'HttpsUrlGeneration' => ['security', 'HTTPS access and URLs', $this->https(...)],
            'DefaultPhoneRegionSet' => ['config', 'Default phone region', fn (): Result =>
                $this->kernel->config->string('default_phone_region') !== ''
                    ? Result::success($this->kernel->config->string('default_phone_region'))
                    : Result::info('Your installation has no default phone region set.')],
            'EmailTestSuccessful' => ['config', 'Email test', $this->email(...)],
            'ReadOnlyConfig' => ['config', 'Configuration file access rights', fn (): Result =>
                is_writable($this->kernel->config->file) ? Result::success('Nextcloud configuration file is writable')
                    : Result::info('The read-only config has been enabled.')],
            'MaintenanceWindowStart' => ['system', 'Maintenance window start', fn (): Result =>
                $this->kernel->config->get('maintenance_window_start') === null
                    ? Result::warning('Server has no maintenance window start time configured.')
                    : Result::success('Maintenance window to execute heavy background jobs is configured.')],
            'LoggingLevel' => ['system', 'Logging level', $this->logLevel(...)],
            'DebugMode' => ['system', 'Debug mode', fn (): Result => $this->kernel->config->bool('debug')
                ? Result::warning('This instance is running in debug mode.')
                : Result::success('Debug mode is disabled.')],
            'MemcacheConfigured' => ['system', 'Memcache', $this->memcache(...)],
            'FileLocking' => ['system', 'Transactional File Locking', $this->locking(...)],
            'CronInfo' => ['system', 'Cron last run', $this->cron(...)],
            'CronErrors' => ['system', 'Cron errors', static fn (): Result =>
                Result::success('The last cron job ran without errors.')],
            'BruteForceThrottler' => ['system', 'Brute-force Throttle', static fn (): Result => PHP_SAPI === 'cli'
                ? Result::info('Your remote address could not be determined.') : Result::success()],
            'ForwardedForHeaders' => ['security', 'Forwarded for headers', $this->proxies(...)],
            'TempSpaceAvailable' => ['system', 'Temporary space available', static fn (): Result =>
                is_writable(sys_get_temp_dir()) ? Result::success('Temporary directory is correctly configured')
                    : Result::error('The temporary directory points to a non-writable directory.')],
            'CodeIntegrity' => ['security', 'Code integrity', fn (): Result =>
                (new Integrity($this->kernel))->differences() === [] ? Result::success('No altered files')
                    : Result::error('Some files have not passed the integrity check.')],
            'DatabaseHasMissingIndices' => ['database', 'Database missing indices', fn (): Result =>
                $this->missing('indices', $this->kernel->get(Schema::class)->missingIndices())],
            'DatabaseHasMissingColumns' => ['database', 'Database missing columns', fn (): Result =>
                $this->missing('columns', $this->kernel->get(Schema::class)->missingColumns())],
            'DatabaseHasMissingPrimaryKeys' => ['database', 'Database missing primary keys', static fn (): Result =>
                Result::success('None')],
            'SupportedDatabase' => ['database', 'Database version', $this->database(...)],
            'OCA\AppAPI\SetupChecks\DaemonCheck' => ['system', 'AppAPI deploy daemon', fn (): Result =>
                $this->kernel->get(Apps::class)->enabled('app_api')
                    ? Result::warning('AppAPI default deploy daemon is not set.')
                    : Result::success()],
        ];
    }

    private function cliUrl(): Result
    {
        $url = $this->kernel->config->string('overwrite.cli.url');
        return filter_var($url, FILTER_VALIDATE_URL)
            ? Result::success("The \"overwrite.cli.url\" option in your config.php is set to \"$url\".")
            : Result::warning('Please make sure to set the "overwrite.cli.url" option in your config.php file.');
    }

    private function https(): Result
    {
        return str_starts_with($this->kernel->config->string('overwrite.cli.url'), 'https://')
            ? Result::success('Your instance is generating secure URLs.')
            : Result::info('Your instance is generating insecure URLs.');
    }

    private function email(): Result
    {
        $tested = $this->kernel->get(AppConfig::class)->get('core', 'emailTestSuccessful', '') === '1';
        return $tested || $this->kernel->config->string('mail_smtpmode') === 'null'
            ? Result::success('Email test was successfully sent')
            : Result::info('You have not set or verified your email server configuration, yet.');
    }

    private function logLevel(): Result
    {
        $level = $this->kernel->config->get('loglevel', 2);
        return match (true) {
            !is_int($level) || $level < 0 || $level > 4 =>
                Result::error('The `loglevel` configuration option must be a valid integer value.'),
            $level === 0 => Result::warning('The logging level is set to debug level.'),
            default => Result::success('Logging level configured correctly.'),
        };
    }

    private function memcache(): Result
    {
        if ($this->kernel->config->string('memcache.local') === '') {
            return Result::info('No memory cache has been configured.');
        }
        $caches = $this->kernel->get(Caches::class);
        foreach (['local' => $caches->local(), 'distributed' => $caches->distributed()] as $use => $cache) {
            if (!$this->keeps($cache)) {
                return Result::error("Failed to write and read a value from $use cache.");
            }
        }
        return Result::success('Configured');
    }

    private function keeps(Cache $cache): bool
    {
        $word = bin2hex(random_bytes(8));
        $cache->set('setupcheck', $word, 60);
        return $cache->get('setupcheck') === $word || $cache instanceof \NextcloudDouble\Cache\None;
    }

    private function locking(): Result
    {
        return match (true) {
            !$this->kernel->config->bool('filelocking.enabled', true) =>
                Result::error('Transactional File Locking is disabled.'),
            $this->kernel->get(Caches::class)->locking() === null =>
                Result::info('The database is used for transactional file locking.'),
            default => Result::success(),
        };
    }

    private function cron(): Result
    {
        $age = time() - (int)$this->kernel->get(AppConfig::class)->get('core', 'lastcron', '0');
        return $age > 3600 ? Result::error("Last background job execution ran $age seconds ago. Something seems wrong.")
            : Result::success("Last background job execution ran $age seconds ago.");
    }

    private function proxies(): Result
    {
        $proxies = $this->kernel->config->get('trusted_proxies', []);
        foreach (is_array($proxies) ? $proxies : [''] as $proxy) {
            if (!filter_var(explode('/', (string)$proxy)[0], FILTER_VALIDATE_IP)) {
                return Result::error('Your "trusted_proxies" setting is not correctly set, it should be an array of IP addresses.');
            }
        }
        return PHP_SAPI === 'cli' ? Result::info('Your remote address could not be determined.') : Result::success();
    }

    /** @param array<string, mixed> $missing */
    private function missing(string $what, array $missing): Result
    {
        return $missing === [] ? Result::success('None') : Result::warning(
            "Detected some missing optional $what. Use the command `occ db:add-missing-$what` to add them.\n"
            . "Missing $what: " . implode(', ', array_keys($missing))
        );
    }

    private function database(): Result
    {
        $version = (string)$this->kernel->get(Database::class)->value('SHOW server_version');
        return (int)$version >= 14 ? Result::success($version)
            : Result::warning("PostgreSQL version \"$version\" detected. PostgreSQL >=14 is suggested.");
    }
}
