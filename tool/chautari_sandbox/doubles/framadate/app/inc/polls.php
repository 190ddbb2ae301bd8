<?php
// Double of Framadate: polls in the database.

function table(string $name): string
{
    return '`' . TABLENAME_PREFIX . $name . '`';
}

function query(string $sql, array $values = []): PDOStatement
{
    global $connect;
    $statement = $connect->prepare($sql);
    $statement->execute($values);
    return $statement;
}

function token(int $length): string
{
    $letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789';
    return implode('', array_map(static fn (): string => $letters[random_int(0, strlen($letters) - 1)], range(1, $length)));
}

function poll_by(string $column, mixed $id, string $form): object
{
    $found = is_string($id) && preg_match($form, $id)
        ? query('SELECT * FROM ' . table('poll') . " WHERE $column = ?", [$id])->fetch() : false;
    return $found ?: page('Error!', "This poll doesn't exist !");
}

function rows(string $name, object $poll): array
{
    return query('SELECT * FROM ' . table($name) . ' WHERE poll_id = ? ORDER BY id', [$poll->id])->fetchAll();
}

function slots_hash(array $slots): string
{
    return md5(implode('', array_map(static fn (object $slot): string => "$slot->id@$slot->moments;", $slots)));
}

/** The columns of a poll: pairs of a date or subject, and an hour or nothing. */
function columns(object $poll, array $slots): array
{
    $found = [];
    foreach ($slots as $slot) {
        foreach ($poll->format === 'D' ? explode(',', $slot->moments) : [''] as $moment) {
            $found[] = [$poll->format === 'D' ? date('Y-m-d', (int) $slot->title) : $slot->title, $moment];
        }
    }
    return $found;
}

function create_poll(array $form, string $format, array $choices): never
{
    global $config;
    $end = DateTime::createFromFormat('Y-m-d', (string) ($_POST['enddate'] ?? ''));
    $last = new DateTime("+{$config['default_poll_duration']} days");
    $end = $end && $end > new DateTime('+1 day') && $end < $last ? $end : $last;
    $id = token(16);
    $admin = $id . token(8);
    query(
        'INSERT INTO ' . table('poll') . ' (id, admin_id, title, description, admin_name, admin_mail, end_date, format, editable,'
        . ' receiveNewVotes, receiveNewComments) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        [$id, $admin, $form['title'], $form['description'], $form['name'], $form['mail'], $end->format('Y-m-d H:i:s'), $format,
            (int) ($form['editable'] ?? 0), (int) isset($form['receiveNewVotes']), (int) isset($form['receiveNewComments'])]
    );
    foreach ($choices as $title => $moments) {
        $values = [$id, (string) $title, $format === 'D' ? implode(',', $moments) : null];
        query('INSERT INTO ' . table('slot') . ' (poll_id, title, moments) VALUES (?, ?, ?)', $values);
    }
    log_line('CREATE_POLL', "id:$id, title: {$form['title']}, format:$format, admin:{$form['name']}, mail:{$form['mail']}");
    $name = '[' . NOMAPPLICATION . ']';
    send_mail($form['mail'], "{$name}[Author's message] Poll: {$form['title']}", 'Your own link: ' . poll_url($admin, true));
    send_mail($form['mail'], "{$name}[For sending to the polled users] Poll: {$form['title']}", 'The link for everybody: ' . poll_url($id));
    unset($_SESSION['form']);
    (new Framadate\Services\PurgeService(new Framadate\Services\LogService()))->purgeOldPolls();
    header('Location:' . poll_url($admin, true));
    exit;
}

function add_vote(object $poll, array $slots): string
{
    $name = trim((string) ($_POST['name'] ?? ''));
    $choices = array_filter((array) ($_POST['choices'] ?? []), static fn (mixed $choice): bool => in_array($choice, ['0', '1', '2', ' '], true));
    if ($name === '' || count($choices) !== count(columns($poll, $slots))) {
        return 'There is a problem with your choices';
    }
    if (($_POST['control'] ?? '') !== slots_hash($slots)) {
        return 'Poll has been updated before you vote';
    }
    if (query('SELECT 1 FROM ' . table('vote') . ' WHERE poll_id = ? AND name = ?', [$poll->id, $name])->fetch()) {
        return 'You already voted';
    }
    $values = [token(16), $poll->id, $name, implode('', $choices)];
    query('INSERT INTO ' . table('vote') . ' (uniqId, poll_id, name, choices) VALUES (?, ?, ?, ?)', $values);
    if ($poll->receiveNewVotes) {
        $text = "$name added a vote. Your poll: " . poll_url($poll->admin_id, true);
        send_mail((string) $poll->admin_mail, '[' . NOMAPPLICATION . "] Notification of poll: $poll->title", $text);
    }
    return 'Adding the vote succeeded';
}

function show_poll(object $poll, string $message): never
{
    $slots = rows('slot', $poll);
    $head = $vote = '';
    foreach (columns($poll, $slots) as $place => $column) {
        $head .= '<th>' . escape(trim(implode(' ', $column))) . '</th>';
        $vote .= '<td>';
        foreach (ANSWERS as $value => $text) {
            $vote .= "<label><input type=\"radio\" name=\"choices[$place]\" value=\"$value\">$text</label>";
        }
        $vote .= '</td>';
    }
    $body = '<p>' . escape($message) . '</p><form method="POST"><input type="hidden" name="control" value="' . slots_hash($slots) . '"/>'
        . "<table><tr><th></th>$head</tr>";
    foreach (rows('vote', $poll) as $row) {
        $cells = array_map(static fn (string $choice): string => '<td>' . (ANSWERS[$choice] ?? '') . '</td>', str_split($row->choices));
        $body .= '<tr><td>' . escape($row->name) . '</td>' . implode('', $cells) . '</tr>';
    }
    $body .= "<tr><td><input name=\"name\"></td>$vote<td><button name=\"save\" type=\"submit\">Save</button></td></tr></table></form>";
    foreach (rows('comment', $poll) as $row) {
        $body .= '<p><b>' . escape($row->name) . '</b> ' . nl2br(escape($row->comment)) . '</p>';
    }
    page("Poll - $poll->title", $body);
}

function delete_poll(string $id): void
{
    foreach (['comment', 'vote', 'slot'] as $name) {
        query('DELETE FROM ' . table($name) . ' WHERE poll_id = ?', [$id]);
    }
    query('DELETE FROM ' . table('poll') . ' WHERE id = ?', [$id]);
}
