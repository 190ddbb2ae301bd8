<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Release;

/** HTML pages, JSON answers and the headers that go with them. */
final class Page
{
    public static function headers(): void
    {
        if (getenv('modHeadersAvailable') === 'true' || ($_SERVER['modHeadersAvailable'] ?? '') === 'true') {
            return;
        }
        header('Referrer-Policy: no-referrer');
        header('X-Content-Type-Options: nosniff');
        header('X-Frame-Options: SAMEORIGIN');
        header('X-Permitted-Cross-Domain-Policies: none');
        header('X-Robots-Tag: noindex, nofollow');
    }

    public static function show(string $title, string $body, int $status = 200, string $token = '', string $user = ''): void
    {
        http_response_code($status);
        header('Content-Type: text/html; charset=UTF-8');
        header('Cache-Control: no-cache, no-store, must-revalidate');
        header("Content-Security-Policy: default-src 'none';base-uri 'none';style-src 'self' 'unsafe-inline';"
            . "img-src 'self' data:;connect-src 'self';form-action 'self';frame-ancestors 'self'");
        [$title, $token, $user] = array_map(self::text(...), [$title, $token, $user]);
        $notice = self::text(ucfirst(Release::NOTICE));
        $account = $user === '' ? '' : " data-user=\"$user\"";
        echo <<<HTML
            <!DOCTYPE html>
            <html class="ng-csp" lang="en">
            <head$account data-requesttoken="$token">
            <meta charset="utf-8">
            <title>$title – Nextcloud</title>
            <meta name="viewport" content="width=device-width, initial-scale=1.0">
            <meta name="robots" content="noindex, nofollow">
            <link rel="icon" href="/core/img/favicon.svg">
            <link rel="stylesheet" href="/core/css/guest.css">
            </head>
            <body id="body-login">
            <main>
            <p class="double" role="note">$notice</p>
            <h1>$title</h1>
            $body
            </main>
            </body>
            </html>

            HTML;
    }

    public static function json(mixed $value, int $status = 200): void
    {
        http_response_code($status);
        header('Content-Type: application/json; charset=utf-8');
        header('Cache-Control: no-cache, no-store, must-revalidate');
        echo json_encode($value);
    }

    public static function redirect(string $location, int $status = 303): void
    {
        http_response_code($status);
        header("Location: $location");
    }

    public static function text(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
    }
}
