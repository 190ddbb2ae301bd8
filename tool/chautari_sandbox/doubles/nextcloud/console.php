<?php

declare(strict_types=1);

use NextcloudDouble\Console\Application;
use NextcloudDouble\Kernel;

try {
    require_once __DIR__ . '/lib/base.php';
    if (PHP_SAPI !== 'cli') {
        echo 'This script can be run from the command line only' . PHP_EOL;
        exit(1);
    }
    $kernel = Kernel::boot(dirname(__FILE__));
    $kernel->requireConfigOwner(true);
    exit(min(255, (new Application($kernel))->run(array_slice($_SERVER['argv'], 1))));
} catch (Throwable $error) {
    echo 'An unhandled exception has been thrown:' . PHP_EOL . $error . PHP_EOL;
    exit(1);
}
