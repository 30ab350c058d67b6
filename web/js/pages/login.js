import { entry } from '../entry.js';

entry('/sessions', 'You couldn’t be logged in.', '/signup.html');
