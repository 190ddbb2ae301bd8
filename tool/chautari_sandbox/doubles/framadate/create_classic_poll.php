<?php
require_once __DIR__ . '/app/inc/init.php';
$form = $_SESSION['form'] ?? page('Error!', "You haven't filled the first section of the poll creation.");
if (isset($_POST['confirmation'])) {
    create_poll($form, 'A', array_fill_keys($form['choices'] ?? [], []));
}
if (isset($_POST['fin_sondage_autre'])) {
    $choices = array_filter((array) ($_POST['choices'] ?? []), static fn (mixed $choice): bool => is_string($choice) && $choice !== '');
    $_SESSION['form']['choices'] = array_map('strip_tags', array_values($choices));
    $end = date('Y-m-d', time() + 86400 * $config['default_poll_duration']);
    page('Removal date and confirmation (3 on 3)', form(field('enddate', $end), 'name="confirmation" value="confirmation"'));
}
page('Poll subjects (2 on 3)', form(str_repeat(field('choices[]'), 5), 'name="fin_sondage_autre" value="Next"'));
