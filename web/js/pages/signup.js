import { entry } from '../entry.js';

entry('/users', 'Your account was not made.', '/login.html');
