<?php

declare(strict_types=1);

// The PHP releases that upstream accepts, by major version: [lowest, first refused].
(static function (): void {
    require __DIR__ . '/../version.php';
    [$lowest, $refused] = match (true) {
        $OC_Version[0] >= 35 => ['8.3', '8.6'],
        $OC_Version[0] >= 33 => ['8.2', '8.6'],
        default => ['8.1', '8.5'],
    };
    $running = 'You are currently running ' . PHP_VERSION . '.';
    if (version_compare(PHP_VERSION, $lowest, '<')) {
        http_response_code(500);
        echo "This version of Nextcloud requires at least PHP $lowest<br/>$running Please update your PHP version.";
        exit(1);
    }
    if (version_compare(PHP_VERSION, $refused, '>=')) {
        http_response_code(500);
        echo "This version of Nextcloud is not compatible with PHP>=$refused.<br/>$running";
        exit(1);
    }
})();
