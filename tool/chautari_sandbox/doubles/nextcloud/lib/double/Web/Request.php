<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Config;

/** The request as PHP received it, seen through trusted proxies and overwrite* settings. */
final class Request
{
    public readonly string $method;
    /** The decoded path after the script's name, without a slash at the end. */
    public readonly string $path;
    public readonly bool $secure;

    public function __construct(private readonly Config $config)
    {
        $this->method = $_SERVER['REQUEST_METHOD'] ?? 'GET';
        $uri = parse_url('http://x' . ($_SERVER['REQUEST_URI'] ?? '/'), PHP_URL_PATH);
        $path = preg_replace('~^/(?:(?:index|remote|status|public|cron)\.php|ocs/v[12]\.php)(?=/|$)~', '', (string)$uri);
        $this->path = '/' . trim(rawurldecode((string)$path), '/');
        $forwarded = $this->fromTrustedProxy() ? ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') : '';
        $protocol = $config->string('overwriteprotocol') ?: $forwarded;
        $this->secure = $protocol === 'https' || ($protocol === '' && !in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true));
    }

    public function header(string $name): string
    {
        return $_SERVER['HTTP_' . strtoupper(str_replace('-', '_', $name))]
            ?? $_SERVER[strtoupper(str_replace('-', '_', $name))] ?? '';
    }

    public function field(string $name): string
    {
        $value = $this->json()[$name] ?? $_POST[$name] ?? $_GET[$name] ?? '';
        return is_scalar($value) ? (string)$value : '';
    }

    public function body(): string
    {
        return (string)file_get_contents('php://input');
    }

    /** @return array<mixed> What a body in JSON holds; nothing when it is another form or too deep. */
    public function json(): array
    {
        static $json = null;
        $isJson = str_starts_with($this->header('Content-Type'), 'application/json');
        return $json ??= $isJson ? (array)json_decode($this->body(), true, 16) : [];
    }

    public function host(): string
    {
        $forwarded = $this->fromTrustedProxy() ? $this->header('X-Forwarded-Host') : '';
        return $this->config->string('overwritehost') ?: ($forwarded ?: $this->header('Host'));
    }

    public function origin(): string
    {
        return ($this->secure ? 'https://' : 'http://') . $this->host();
    }

    public function baseUrl(): string
    {
        return $this->origin() . ($this->pretty() ? '' : '/index.php');
    }

    public function link(string $path): string
    {
        return ($this->pretty() ? '' : '/index.php') . $path;
    }

    public function hostIsTrusted(): bool
    {
        return $this->config->string('overwritehost') !== '' || $this->trusts($this->host());
    }

    /** Whether the name (with or without its port) is one that this server answers to. */
    public function trusts(string $host): bool
    {
        $name = preg_replace('/:\d+$/', '', $host);
        if (preg_match('/^(127\.0\.0\.1|localhost|\[::1\])$/', $name)) {
            return true;
        }
        foreach ((array)$this->config->get('trusted_domains', []) as $trusted) {
            $pattern = str_replace('\*', '[-.a-zA-Z0-9]*', preg_quote((string)$trusted, '/'));
            if (preg_match("/^$pattern$/i", $host) || preg_match("/^$pattern$/i", $name)) {
                return true;
            }
        }
        return false;
    }

    /** @return array{string, string}|null Name and password of Basic authentication. */
    public function credentials(): ?array
    {
        if (isset($_SERVER['PHP_AUTH_USER'])) {
            return [$_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'] ?? ''];
        }
        if (!preg_match('/^Basic (\S+)$/i', $this->header('Authorization'), $match)) {
            return null;
        }
        return explode(':', (string)base64_decode($match[1]), 2) + [1 => ''];
    }

    private function pretty(): bool
    {
        return getenv('front_controller_active') === 'true' || ($_SERVER['front_controller_active'] ?? '') === 'true'
            || $this->config->bool('htaccess.IgnoreFrontController');
    }

    private function fromTrustedProxy(): bool
    {
        $proxies = (array)$this->config->get('trusted_proxies', []);
        return in_array($_SERVER['REMOTE_ADDR'] ?? '', $proxies, true);
    }
}
