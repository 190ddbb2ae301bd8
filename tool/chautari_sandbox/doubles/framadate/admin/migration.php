<?php
require_once __DIR__ . '/../app/inc/init.php';
// What upstream's own migrations end with, in one step.
$migrations = ['Double\\Tables' => [
    'poll' => 'id VARCHAR(64) NOT NULL PRIMARY KEY, admin_id CHAR(24) NOT NULL, title TEXT NOT NULL, description TEXT,
        admin_name VARCHAR(64), admin_mail VARCHAR(128), creation_date TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        end_date TIMESTAMP NULL, format VARCHAR(1), editable TINYINT(1) DEFAULT 0, receiveNewVotes TINYINT(1) DEFAULT 0,
        receiveNewComments TINYINT(1) DEFAULT 0, active TINYINT(1) DEFAULT 1, hidden TINYINT(1) NOT NULL DEFAULT 0',
    'slot' => 'id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, poll_id VARCHAR(64) NOT NULL, title TEXT, moments TEXT, KEY (poll_id)',
    'vote' => 'id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, uniqId CHAR(16) NOT NULL, poll_id VARCHAR(64) NOT NULL,
        name VARCHAR(64) NOT NULL, choices TEXT NOT NULL, KEY (poll_id)',
    'comment' => 'id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, poll_id VARCHAR(64) NOT NULL, name TEXT, comment TEXT NOT NULL,
        date DATETIME, KEY (poll_id)',
]];
query('CREATE TABLE IF NOT EXISTS ' . table(MIGRATION_TABLE) . ' (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name TEXT NOT NULL,'
    . ' execute_date TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = MyISAM');
$countSucceeded = $countFailed = 0;
$fail = [];
foreach ($migrations as $name => $tables) {
    if (query('SELECT id FROM ' . table(MIGRATION_TABLE) . ' WHERE name = ?', [$name])->fetch()) {
        continue;
    }
    foreach ($tables as $short => $columns) {
        query('CREATE TABLE IF NOT EXISTS ' . table($short) . " ($columns)");
    }
    query('INSERT INTO ' . table(MIGRATION_TABLE) . ' (name) VALUES (?)', [$name]);
    $countSucceeded++;
}
echo "$countSucceeded succeeded, $countFailed failed\n";
