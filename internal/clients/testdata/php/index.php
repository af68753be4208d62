<?php
// A web app whose people sign in with OpenID Connect. Needs: composer require jumbojett/openid-connect-php:^1.0
require __DIR__ . '/vendor/autoload.php';

use Jumbojett\OpenIDConnectClient;

$address = getenv('ADDRESS'); // such as https://wiki.example.com
session_set_cookie_params(['httponly' => true, 'samesite' => 'Lax', 'secure' => str_starts_with($address, 'https:')]);
session_start();

$sallyport = new OpenIDConnectClient(getenv('ISSUER'), getenv('CLIENT_ID'), getenv('CLIENT_SECRET'));
$sallyport->setRedirectURL($address . '/callback');
$sallyport->addScope(['openid', 'profile', 'email', 'groups']);
$sallyport->setCodeChallengeMethod('S256');

// signIn sends the browser to Sallyport. On the way back, in /callback, it returns once the library has checked state,
// nonce, verifier and the ID token.
function signIn(OpenIDConnectClient $sallyport, array $more = []): void
{
    $sallyport->addAuthParam($more);
    $sallyport->authenticate();
}

$person = $_SESSION['person'] ?? null;
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/':
        if (!$person) {
            $_SESSION['to'] = '/';
            signIn($sallyport);
        }
        echo '<h1>Hello, ' . htmlspecialchars($person['name']) . '</h1><p>' . htmlspecialchars($person['email']) . '</p>';
        break;
    case '/payroll': // needs a second factor that is at most five minutes old
        if (!$person || !in_array($person['acr'], ['aal2', 'phr'], true) || time() - $person['auth_time'] > 300) {
            $_SESSION['to'] = '/payroll';
            signIn($sallyport, ['acr_values' => 'aal2', 'max_age' => '300']);
        }
        echo '<h1>Payroll of ' . htmlspecialchars($person['name']) . '</h1>';
        break;
    case '/callback':
        try {
            signIn($sallyport);
        } catch (Jumbojett\OpenIDConnectClientException $error) {
            http_response_code(403);
            echo htmlspecialchars($error->getMessage());
            break;
        }
        session_regenerate_id(true);
        $_SESSION['person'] = (array) $sallyport->getVerifiedClaims();
        $_SESSION['id_token'] = $sallyport->getIdToken();
        header('Location: ' . ($_SESSION['to'] ?? '/'), true, 303);
        break;
    case '/sign-out': // forgets the person here, and sends them to Sallyport to sign out there
        $hint = $_SESSION['id_token'] ?? '';
        session_destroy();
        $sallyport->signOut($hint, $address . '/signed-out');
        break;
    case '/signed-out':
        echo '<h1>You are signed out</h1>';
        break;
    default:
        http_response_code(404);
}
