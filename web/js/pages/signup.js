import { entry } from '../entry.js';

entry('/users', 'Your account wasn’t created.', '/login.html');
