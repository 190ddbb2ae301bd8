<?php
require_once __DIR__ . '/app/inc/init.php';
$form = $_SESSION['form'] ?? page('Error!', "You haven't filled the first section of the poll creation.");
if (isset($_POST['confirmation'])) {
    create_poll($form, 'D', $form['dates'] ?? []);
}
if (isset($_POST['choixheures'])) {
    $dates = [];
    foreach (array_values(array_filter((array) ($_POST['days'] ?? []))) as $place => $day) {
        $date = DateTime::createFromFormat('!Y-m-d', (string) $day) ?: page('Error!', 'Something is wrong with the format');
        $hours = array_filter((array) ($_POST["horaires$place"] ?? []));
        $dates[$date->getTimestamp()] = array_map(static fn (string $hour): string => strip_tags($hour), array_values($hours));
    }
    if (count($dates) > MAX_SLOTS_PER_POLL) {
        page('Poll dates (2 on 3)', "You can't select more than " . MAX_SLOTS_PER_POLL . ' dates');
    }
    ksort($dates);
    $_SESSION['form']['dates'] = $dates;
    $end = date('Y-m-d', time() + 86400 * $config['default_poll_duration']);
    page('Removal date and confirmation (3 on 3)', form(field('enddate', $end), 'name="confirmation" value="confirmation"'));
}
$fields = field('days[]') . str_repeat(field('horaires0[]'), 3);
page('Poll dates (2 on 3)', form($fields, 'name="choixheures" value="Next"'));
