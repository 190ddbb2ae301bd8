<?php

declare(strict_types=1);

require_once __DIR__ . '/versioncheck.php';

spl_autoload_register(static function (string $class): void {
    $prefix = 'NextcloudDouble\\';
    if (str_starts_with($class, $prefix)) {
        require __DIR__ . '/double/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    }
});

/** Files of settings may use this name of upstream's. */
final class OC
{
    public static string $SERVERROOT = '';
}

OC::$SERVERROOT = dirname(__DIR__);
