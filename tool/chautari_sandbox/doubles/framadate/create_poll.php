<?php
require_once __DIR__ . '/app/inc/init.php';
$type = ($_POST['type'] ?? $_GET['type'] ?? '') === 'date' ? 'date' : 'classic';
$next = $_POST['gotostep2'] ?? '';
$error = '';
if (in_array($next, ['date', 'classic'], true)) {
    $form = array_filter($_POST, 'is_string') + ['title' => '', 'name' => '', 'mail' => '', 'description' => ''];
    $mail = $config['use_smtp'] !== true || filter_var($form['mail'], FILTER_VALIDATE_EMAIL);
    if (trim($form['title']) !== '' && trim($form['name']) === $form['name'] && $form['name'] !== '' && $mail) {
        $_SESSION['form'] = $form;
        header("Location:create_{$next}_poll.php");
        exit;
    }
    $error = '<p>Something is wrong with the format</p>';
}
$fields = implode('', array_map('field', ['name', 'mail', 'title', 'description']));
page('Poll creation (1 on 3)', $error . form($fields, "name=\"gotostep2\" value=\"$type\""));
