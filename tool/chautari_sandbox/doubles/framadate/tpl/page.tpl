<p>The double has no templates.</p>
