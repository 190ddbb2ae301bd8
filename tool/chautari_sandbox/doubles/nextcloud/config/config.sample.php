<?php

// Settings that the double of Nextcloud reads; upstream's documentation explains them.
$CONFIG = [
    'trusted_domains' => ['cloud.example.org'],
    'overwrite.cli.url' => 'https://cloud.example.org',
    'memcache.local' => '\OC\Memcache\APCu',
    'memcache.distributed' => '\OC\Memcache\Redis',
    'memcache.locking' => '\OC\Memcache\Redis',
    'redis' => ['host' => '/run/redis/redis-server.sock', 'port' => 0],
    'mail_smtpmode' => 'smtp',
    'mail_from_address' => 'cloud',
    'mail_domain' => 'example.org',
];
