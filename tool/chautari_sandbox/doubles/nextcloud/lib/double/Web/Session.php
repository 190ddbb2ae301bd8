<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Kernel;
use NextcloudDouble\Secrets;

/** The browser's session: who is logged in, and the token that forms must carry. */
final class Session
{
    public function __construct(Kernel $kernel, Request $request)
    {
        $secure = $request->secure;
        $options = ['path' => '/', 'secure' => $secure, 'httponly' => true, 'samesite' => 'Lax'];
        session_name($kernel->config->string('instanceid', 'ocdouble'));
        session_set_cookie_params(['lifetime' => 0] + $options);
        ini_set('session.use_strict_mode', '1');
        session_start();
        if (!isset($_COOKIE['oc_sessionPassphrase'])) {
            setcookie('oc_sessionPassphrase', Secrets::word(64), $options);
        }
        $prefix = $secure ? '__Host-' : '';
        foreach (['lax' => 'Lax', 'strict' => 'Strict'] as $name => $policy) {
            if (!isset($_COOKIE["{$prefix}nc_sameSiteCookie$name"])) {
                setcookie("{$prefix}nc_sameSiteCookie$name", 'true', ['samesite' => $policy] + $options);
            }
        }
    }

    /** The token, masked anew for every page. */
    public function token(): string
    {
        $_SESSION['requesttoken'] ??= Secrets::word(32);
        $mask = random_bytes(32);
        return base64_encode($mask ^ $_SESSION['requesttoken']) . ':' . base64_encode($mask);
    }

    public function accepts(string $token): bool
    {
        [$masked, $mask] = explode(':', $token, 2) + [1 => ''];
        $plain = (string)base64_decode($masked) ^ (string)base64_decode($mask);
        $expected = $_SESSION['requesttoken'] ?? '';
        return $expected !== '' && hash_equals($expected, $plain);
    }

    public function user(): ?string
    {
        return $_SESSION['user_id'] ?? null;
    }

    public function enter(string $uid): void
    {
        session_regenerate_id(true);
        $_SESSION['user_id'] = $uid;
    }

    public function leave(): void
    {
        $_SESSION = [];
        session_regenerate_id(true);
    }

    public function message(?string $text = null): string
    {
        $message = $_SESSION['loginMessage'] ?? '';
        $_SESSION['loginMessage'] = $text ?? '';
        return $message;
    }
}
