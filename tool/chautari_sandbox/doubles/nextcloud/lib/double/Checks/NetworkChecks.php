<?php

declare(strict_types=1);

namespace NextcloudDouble\Checks;

use NextcloudDouble\Kernel;

/** The server as it is seen from outside, by requests to its own address. */
final class NetworkChecks
{
    private const HEADERS = [
        'x-content-type-options' => 'nosniff',
        'x-robots-tag' => 'noindex,nofollow',
        'x-frame-options' => 'sameorigin',
        'x-permitted-cross-domain-policies' => 'none',
    ];

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @return array<string, array{string, string, \Closure(): Result}> */
    public function checks(): array
    {
        return [
            'DataDirectoryProtected' => ['network', 'Data directory protected', fn (): Result =>
                $this->expect('GET', '/data/.ncdata', fn (array $answer): bool => $answer['status'] >= 400,
                    'Your data directory and files are probably accessible from the internet.', 'error')],
            'JavaScriptModules' => ['network', 'JavaScript modules support', fn (): Result =>
                $this->expect('GET', '/apps/settings/js/esm-test.mjs', fn (array $answer): bool =>
                    str_contains($answer['headers']['content-type'] ?? '', 'javascript'),
                    'Your webserver does not serve `.mjs` files using the JavaScript MIME type.', 'error')],
            'OcxProviders' => ['network', 'OCS provider resolving', fn (): Result =>
                $this->expect('GET', '/ocs-provider/', fn (array $answer): bool => $answer['status'] === 200,
                    'Your web server is not properly set up to resolve /ocs-provider/.', 'warning')],
            'SecurityHeaders' => ['security', 'HTTP headers', $this->securityHeaders(...)],
            'WellKnownUrls' => ['network', '.well-known URLs', $this->wellKnown(...)],
            'InternetConnectivity' => ['network', 'Internet connectivity', $this->internet(...)],
        ];
    }

    /** @param \Closure(array{status: int, headers: array<string, string>}): bool $good */
    private function expect(string $verb, string $path, \Closure $good, string $complaint, string $severity): Result
    {
        $answer = $this->ask($verb, $path);
        if ($answer === null) {
            return Result::info("Could not check $path. Please check manually.");
        }
        return $good($answer) ? Result::success() : Result::{$severity}($complaint);
    }

    private function securityHeaders(): Result
    {
        $answer = $this->ask('GET', '/index.php/heartbeat');
        if ($answer === null) {
            return Result::info('Could not check that your web server serves security headers correctly.');
        }
        $complaints = [];
        foreach (self::HEADERS as $header => $expected) {
            $value = preg_replace('/,\s+/', ',', strtolower($answer['headers'][$header] ?? ''));
            if ($value !== $expected) {
                $complaints[] = "- The `$header` HTTP header is not set to `$expected`.";
            }
        }
        preg_match('/max-age=(\d+)/', $answer['headers']['strict-transport-security'] ?? '', $age);
        $secure = str_starts_with($this->kernel->config->string('overwrite.cli.url'), 'https:');
        if ($secure && (int)($age[1] ?? 0) < 15552000) {
            $complaints[] = '- The `Strict-Transport-Security` HTTP header is not set to at least `15552000` seconds.';
        }
        return $complaints === [] ? Result::success('Your server is correctly configured to send security headers.')
            : Result::warning("Some headers are not set correctly on your instance\n" . implode("\n", $complaints));
    }

    private function wellKnown(): Result
    {
        $urls = ['webfinger' => 'GET', 'nodeinfo' => 'GET', 'caldav' => 'PROPFIND', 'carddav' => 'PROPFIND'];
        foreach ($urls as $name => $verb) {
            $answer = $this->ask($verb, "/.well-known/$name");
            if ($answer === null) {
                return Result::info('Could not check that your web server serves `.well-known` correctly.');
            }
            $good = $verb === 'GET' ? isset($answer['headers']['x-nextcloud-well-known'])
                : str_ends_with(rtrim($answer['url'], '/'), '/remote.php/dav');
            if (!$good) {
                return Result::warning(
                    "Your web server is not properly set up to resolve `.well-known` URLs, failed on:\n`/.well-known/$name`"
                );
            }
        }
        return Result::success('Your server is correctly configured to serve `.well-known` URLs.');
    }

    private function internet(): Result
    {
        if ($this->kernel->config->get('has_internet_connection', true) === false) {
            return Result::success('Internet connectivity is disabled in configuration file.');
        }
        $sites = (array)$this->kernel->config->get('connectivity_check_domains', []);
        if ($sites === []) {
            return Result::info('No "connectivity_check_domains" are set, and the double asks no host of its own accord.');
        }
        foreach ($sites as $site) {
            if ($this->ask('GET', (string)$site) !== null) {
                return Result::success();
            }
        }
        return Result::warning('This server has no working internet connection: Multiple endpoints could not be reached.');
    }

    /** @return array{status: int, headers: array<string, string>, url: string}|null */
    private function ask(string $verb, string $path): ?array
    {
        $base = rtrim($this->kernel->config->string('overwrite.cli.url'), '/');
        $headers = [];
        $request = curl_init(str_starts_with($path, '/') ? $base . $path : $path);
        curl_setopt_array($request, [
            CURLOPT_CUSTOMREQUEST => $verb,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_FOLLOWLOCATION => true,
            CURLOPT_MAXREDIRS => 3,
            CURLOPT_CONNECTTIMEOUT => 3,
            CURLOPT_TIMEOUT => 10,
            CURLOPT_SSL_VERIFYPEER => !str_starts_with($path, '/'),
            CURLOPT_SSL_VERIFYHOST => str_starts_with($path, '/') ? 0 : 2,
            CURLOPT_HEADERFUNCTION => static function ($handle, string $line) use (&$headers): int {
                [$name, $value] = explode(':', $line, 2) + [1 => ''];
                $headers[strtolower(trim($name))] = trim($value);
                return strlen($line);
            },
        ]);
        $done = curl_exec($request) !== false;
        $answer = [
            'status' => (int)curl_getinfo($request, CURLINFO_RESPONSE_CODE),
            'headers' => $headers,
            'url' => (string)curl_getinfo($request, CURLINFO_EFFECTIVE_URL),
        ];
        return $done ? $answer : null;
    }
}
