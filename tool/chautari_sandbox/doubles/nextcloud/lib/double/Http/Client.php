<?php

declare(strict_types=1);

namespace NextcloudDouble\Http;

use NextcloudDouble\Kernel;
use NextcloudDouble\Log;

/** Requests to other servers, with upstream's rules about local addresses and certificates. */
final class Client
{
    private const BODY_LIMIT = 64 * 1024 * 1024;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    /**
     * Options: `timeout` in seconds, `headers`, `body`, `auth` as name and password, `from` and `to` as streams.
     *
     * @param array<string, mixed> $options
     */
    public function request(string $method, string $url, array $options = []): Answer
    {
        $this->refuseLocal($url);
        $headers = [];
        $body = '';
        $request = curl_init($url);
        curl_setopt_array($request, $this->settings($method, $options) + [
            CURLOPT_HEADERFUNCTION => static function ($handle, string $line) use (&$headers): int {
                if (str_starts_with($line, 'HTTP/')) {
                    $headers = [];
                }
                [$name, $value] = explode(':', $line, 2) + [1 => ''];
                $headers[strtolower(trim($name))] = trim($value);
                return strlen($line);
            },
            CURLOPT_WRITEFUNCTION => static function ($handle, string $part) use (&$body, $options): int {
                if (isset($options['to'])) {
                    return (int)fwrite($options['to'], $part);
                }
                $body .= $part;
                return strlen($body) > self::BODY_LIMIT ? 0 : strlen($part);
            },
        ]);
        if (curl_exec($request) === false) {
            throw new Unreachable('cURL error ' . curl_errno($request) . ': ' . curl_error($request) . " for $url");
        }
        return new Answer((int)curl_getinfo($request, CURLINFO_RESPONSE_CODE), $headers, $body);
    }

    /**
     * @param array<string, mixed> $options
     * @return array<int, mixed>
     */
    private function settings(string $method, array $options): array
    {
        $config = $this->kernel->config;
        $timeout = (int)($options['timeout'] ?? 30);
        $lines = [];
        foreach ($options['headers'] ?? [] as $name => $value) {
            $lines[] = "$name: $value";
        }
        $settings = [
            CURLOPT_TIMEOUT => $timeout,
            CURLOPT_CONNECTTIMEOUT => $timeout,
            CURLOPT_FOLLOWLOCATION => true,
            CURLOPT_MAXREDIRS => 5,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_USERAGENT => 'Nextcloud-Server-Crawler/' . $this->kernel->release->string,
            CURLOPT_HTTPHEADER => [...$lines, 'Expect:'],
        ];
        if ($config->bool('sharing.federation.allowSelfSignedCertificates')) {
            $settings += [CURLOPT_SSL_VERIFYPEER => false, CURLOPT_SSL_VERIFYHOST => 0];
        }
        if (isset($options['auth'])) {
            $settings[CURLOPT_USERPWD] = implode(':', $options['auth']);
        }
        if (isset($options['from'])) {
            $settings += [CURLOPT_UPLOAD => true, CURLOPT_READFUNCTION =>
                static fn ($handle, $stream, int $length): string => (string)fread($options['from'], $length)];
        }
        if (isset($options['body'])) {
            $settings[CURLOPT_POSTFIELDS] = $options['body'];
        }
        return $settings + match (true) {
            $method === 'HEAD' => [CURLOPT_NOBODY => true],
            in_array($method, ['GET', 'POST'], true) => [],
            default => [CURLOPT_CUSTOMREQUEST => $method],
        };
    }

    private function refuseLocal(string $url): void
    {
        $host = parse_url($url, PHP_URL_HOST);
        if (!is_string($host) || $host === '') {
            throw new Unreachable('Could not detect any host');
        }
        if ($this->kernel->config->bool('allow_local_remote_servers')) {
            return;
        }
        $host = trim(strtolower($host), '[]');
        foreach (filter_var($host, FILTER_VALIDATE_IP) ? [$host] : (gethostbynamel($host) ?: []) as $address) {
            if (!filter_var($address, FILTER_VALIDATE_IP, FILTER_FLAG_NO_PRIV_RANGE | FILTER_FLAG_NO_RES_RANGE)) {
                $message = "Host $host was not connected to because it violates local access rules";
                $this->kernel->log->write(Log::WARN, $message);
                throw new Unreachable("Host \"$host\" violates local access rules");
            }
        }
    }
}
