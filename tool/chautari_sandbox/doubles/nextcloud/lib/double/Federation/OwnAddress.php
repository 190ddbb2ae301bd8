<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Kernel;
use NextcloudDouble\Web\Request;

/** The address under which this server shows itself to others: as it was asked, or overwrite.cli.url without a request. */
final class OwnAddress
{
    public static function url(Kernel $kernel): string
    {
        return PHP_SAPI === 'cli'
            ? rtrim($kernel->config->string('overwrite.cli.url'), '/')
            : (new Request($kernel->config))->origin();
    }

    /** The address of a page of the front controller. */
    public static function link(Kernel $kernel, string $path): string
    {
        return PHP_SAPI === 'cli'
            ? self::url($kernel) . ($kernel->config->bool('htaccess.IgnoreFrontController') ? '' : '/index.php') . $path
            : (new Request($kernel->config))->baseUrl() . $path;
    }

    /** Name and, where it is not the usual one, port of an address. */
    public static function identity(string $url): string
    {
        $host = (string)parse_url($url, PHP_URL_HOST);
        $port = parse_url($url, PHP_URL_PORT);
        return $port === null || $port === false ? $host : "$host:$port";
    }
}
