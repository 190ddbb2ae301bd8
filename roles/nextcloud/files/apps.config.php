<?php
// The apps of the release that reads this. Before a change of version, the role runs commands of the new release, and with apps of another
// one they fail.
$CONFIG = [
    'apps_paths' => [
        ['path' => OC::$SERVERROOT . '/apps', 'url' => '/apps', 'writable' => false],
        ['path' => '/var/lib/nextcloud/custom_apps', 'url' => '/custom_apps', 'writable' => false],
    ],
];
