/* Runs before the first paint, to hide what the first page does not need. A module would run too late, and the page would jump. */
{
  const { classList } = document.documentElement;
  if (document.cookie.split('; ').includes('signed_in=1')) classList.add('signed-in');
  if (new URLSearchParams(window.location.search).get('q')) classList.add('searching');
}
