# A web app whose people sign in with OpenID Connect.
import os
import time
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask, redirect, request, session
from markupsafe import escape

address = os.environ["ADDRESS"]  # such as https://wiki.example.com
app = Flask(__name__)
app.secret_key = os.urandom(32)
app.config["SESSION_COOKIE_SECURE"] = address.startswith("https:")
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
sallyport = OAuth(app).register(
    "sallyport",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email groups", "code_challenge_method": "S256"},
)


def sign_in(**more):
    """Sends the browser to Sallyport, and remembers in this browser what was asked."""
    session["to"] = request.path
    return sallyport.authorize_redirect(address + "/callback", **more)


@app.get("/")
def home():
    person = session.get("person")
    if not person:
        return sign_in()
    return f"<h1>Hello, {escape(person['name'])}</h1><p>{escape(person['email'])}</p>"


@app.get("/payroll")
def payroll():
    """Needs a second factor that is at most five minutes old."""
    person = session.get("person")
    if not person or person["acr"] not in ("aal2", "phr") or time.time() - person["auth_time"] > 300:
        return sign_in(acr_values="aal2", max_age=300)
    return f"<h1>Payroll of {escape(person['name'])}</h1>"


@app.get("/callback")
def callback():
    """Exchanges the code for tokens. The library checks state, nonce, verifier and the ID token."""
    try:
        token = sallyport.authorize_access_token()
    except OAuthError as error:
        return str(escape(f"{error.error}: {error.description}")), 403
    session["person"] = token["userinfo"]
    session["id_token"] = token["id_token"]
    return redirect(session.pop("to", "/"), 303)


@app.get("/sign-out")
def sign_out():
    """Forgets the person here, and sends them to Sallyport to sign out there."""
    hint = session.get("id_token", "")
    session.clear()
    end = sallyport.load_server_metadata()["end_session_endpoint"]
    return redirect(end + "?" + urlencode({"id_token_hint": hint, "post_logout_redirect_uri": address + "/signed-out"}))


@app.get("/signed-out")
def signed_out():
    return "<h1>You are signed out</h1>"


if __name__ == "__main__":
    host, port = os.environ["LISTEN"].split(":")
    app.run(host, int(port))
