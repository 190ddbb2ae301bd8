<?php
// Double of Framadate: settings, session, database and language, as every page needs them.
require_once __DIR__ . '/../../vendor/autoload.php';
require_once __DIR__ . '/constants.php';
require_once __DIR__ . '/pages.php';
require_once __DIR__ . '/polls.php';

define('ROOT_DIR', __DIR__ . '/../../');
@include_once __DIR__ . '/config.php';
if (session_id() === '') {
    session_start();
}
try {
    $connect = new PDO(DB_CONNECTION_STRING, DB_USER, DB_PASSWORD, [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_OBJ]);
} catch (PDOException $problem) {
    if ($_SERVER['SCRIPT_NAME'] !== '/maintenance.php') {
        header('Location: ' . server_name() . 'maintenance.php');
        exit;
    }
}
$wanted = array_merge(
    array_map(static fn (string $part): string => substr(trim($part), 0, 2), explode(',', $_SERVER['HTTP_ACCEPT_LANGUAGE'] ?? '')),
    [DEFAULT_LANGUAGE, 'en']
);
$locale = current(array_intersect($wanted, LANGUAGES));
