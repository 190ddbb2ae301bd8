<?php
// Double of Framadate: upstream has its page header here; it is no page.
