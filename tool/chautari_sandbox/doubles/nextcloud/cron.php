<?php

declare(strict_types=1);

use NextcloudDouble\Cron;
use NextcloudDouble\Kernel;

try {
    require_once __DIR__ . '/lib/base.php';
    exit((new Cron(Kernel::boot(__DIR__)))->run($_SERVER['argv'] ?? []));
} catch (Throwable $error) {
    error_log($error->getMessage());
    echo $error . PHP_EOL;
    exit(1);
}
