<?php
// Double of Framadate, for the sandbox only.
const VERSION = '@VERSION@';
const POLL_REGEX = '/^[a-z0-9-]{1,64}$/i';
const ADMIN_POLL_REGEX = '/^[a-z0-9]{24}$/i';
const LANGUAGES = ['ar', 'br', 'ca', 'de', 'en', 'eo', 'es', 'fr', 'gl', 'it', 'nl', 'oc'];
const ANSWERS = ['0' => 'No', '1' => 'Ifneedbe', '2' => 'Yes'];
